"""python3 tools/checks_page.py [--check]: writes docs/checks.md anew, in both languages, or says that it is stale.

What ./lab check judges, the wrong programs that prove each check, and what the right ones in other styles cannot do.
"""

import sys

from common import CHAPTERS, ROOT, USAGE, Trouble, renew, say
from words import chinese

PAGES = {"docs/checks.md": "en", "docs/checks.zh-CN.md": "zh"}
WORDS = {
    "en": {
        "title": "What `./lab check` judges",
        "other": "*[中文](checks.zh-CN.md)*",
        "intro": "Written by `python3 tools/checks_page.py`. Each check is a promise, and each is proven by wrong programs "
                 "that must fail it: [tests/faulty/](../tests/faulty/) holds small diffs against our own servers, "
                 "[tests/wrong/](../tests/wrong/) small servers in C and Python. In brackets stands the cause that "
                 "`./lab check` must name, from the list in [causes.py](../tests/causes.py). Points and time limits are in "
                 "[points.toml](../tests/points.toml). *Full*: with `--full` only.",
        "stream": "Servers of streams: all chapters but 09",
        "datagram": "Servers of datagrams: 09",
        "http": "Servers of HTTP: 11, when the command says {root}",
        "columns": ("check", "the promise", "chapters", "needs", "points", "wrong programs that fail at it"),
        "full": "full",
        "right": "Right servers in other styles",
        "right_intro": "Each is held to its chapter's whole ladder. What it cannot do is known beforehand, and must go on "
                       "failing; (?) is what cannot be told of it.",
        "right_columns": ("server", "chapter", "what it fails, and why"),
        "nothing": "nothing",
        "causes": "How often the cause is right",
        "causes_intro": "Of the wrong programs that `./lab check` can judge, so many are told their own cause. The bank is "
                        "split by a hash of the names. The rules were written with all of the bank in view, and the halves "
                        "were made afterwards: what the second half shows from then on is counted, and changes no rule. "
                        "Some causes came into the list, or were mended, later, those of HTTP among them, with all "
                        "of their programs in view: none of these is held out, and the third row says nothing of a server "
                        "that nobody has seen.",
        "causes_columns": ("part", "wrong programs", "told their own cause", "told another"),
        "parts": ("in view", "held out", "of causes that came, or were mended, later: all in view"),
    },
    "zh": {
        "title": "`./lab check` 检查什么",
        "other": "*[English](checks.md)*",
        "intro": "由 `python3 tools/checks_page.py` 生成。每项检查是一条承诺，并由必须在它那里失败的错误程序来证明："
                 "[tests/faulty/](../tests/faulty/) 里是对我们自己的服务器的小改动，[tests/wrong/](../tests/wrong/) 里是用 C 和 "
                 "Python 写的小服务器。方括号里是 `./lab check` 必须说出的原因，出自 [causes.py](../tests/causes.py) 的列表。分数和时限在 "
                 "[points.toml](../tests/points.toml)。*完整*：只有加 `--full` 才检查。",
        "stream": "字节流服务器：除 09 以外的各章",
        "datagram": "数据报服务器：09",
        "http": "HTTP 服务器：11，命令里写出 {root} 时",
        "columns": ("检查", "承诺", "章", "先决条件", "分数", "在这里失败的错误程序"),
        "full": "完整",
        "right": "其他写法的正确服务器",
        "right_intro": "每个都要通过所在章的全部检查。它做不到的事先写明，而且必须一直失败；(?) 是无法判断的。",
        "right_columns": ("服务器", "章", "通不过什么，为什么"),
        "nothing": "无",
        "causes": "原因说对了多少",
        "causes_intro": "`./lab check` 能检查的错误程序中，有这么多被准确说出了原因。全部程序按名字的散列分成两半。"
                        "规则最初是看着全部程序写的，之后才分成两半：从那时起，第二半的结果只计数，不用来修改规则。"
                        "有些原因后来才进入列表，或者改过，HTTP 的都在其中：它们的规则是看着这些程序写的，"
                        "所以这些程序一个也没有留出，第三行不说明对没有见过的服务器会怎样。",
        "causes_columns": ("部分", "错误程序", "说对原因", "说成别的"),
        "parts": ("可见的", "留出的", "后来加入或改过的原因：全部可见"),
    },
}


def row(*cells):
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def table(headings, rows):
    return [row(*headings), row(*["---"] * len(headings)), *(row(*each) for each in rows), ""]


def link(name, path):
    return f"[{name}](../{path})"


def chapters_of(check):
    """The numbers of the chapters whose servers are held to it."""
    return [chapter.number for chapter in CHAPTERS if check.id not in chapter.expected_failures
            and check.capability in chapter.capabilities | {chapter.transport}]


def ladder(words, checks, titles, wrong, terms):
    rows = []
    for check in checks:
        of = terms.get(check.id, terms["default"])
        points = f"{of.points}" + (f", {words['full']}" if check.slow or of.full else "")
        proofs = [link(each.name, each.source) + (f" [{each.cause}]" if each.cause else "")
                  for each in wrong if each.check == check.id]
        rows.append((f"`{check.id}`", titles.get(check.id, check.title), " ".join(chapters_of(check)),
                     f"`{check.needs}`" if check.needs else "", points, "<br>".join(proofs)))
    return table(words["columns"], rows)


def right(words):
    import styles

    rows = []
    for style in styles.read("right"):
        where = link(style.name, f"tests/right/{style.program}") if style.program else f"`{' '.join(style.command)}`"
        fails = "<br>".join([*(f"`{check}`: {why}" for check, why in style.fails.items()),
                             *(f"`{check}` (?): {why}" for check, why in style.unsure.items())])
        rows.append((where, style.chapter, fails or words["nothing"]))
    return table(words["right_columns"], rows)


def accuracy(words):
    import bank

    rows = []
    for part, name in zip(bank.PARTS, words["parts"]):
        of = [wrong for wrong in bank.of_the_diffs() if wrong.cause and wrong.part == part]
        mistaken = [link(wrong.name, wrong.source) for wrong in of if wrong.name in bank.MISTAKEN]
        rows.append((name, len(of), len(of) - len(mistaken), " ".join(mistaken) or "–"))
    return table(words["causes_columns"], rows)


def page(language):
    import bank
    import checking
    import contract
    import datagram_contract
    import examine
    import http_contract

    words = WORDS[language]
    titles = chinese()["checks"] if language == "zh" else {}
    judged = {check.id for check in checking.every_check()}
    wrong = [*bank.of_the_diffs(), *bank.in_other_styles()]
    lines = [f"# {words['title']}", "", words["other"], "", words["intro"], ""]
    for name, module in (("stream", contract), ("datagram", datagram_contract), ("http", http_contract)):
        checks = [check for check in module.ladder if check.id in judged]
        lines += [f"## {words[name]}", "", *ladder(words, checks, titles, wrong, examine.terms())]
    lines += [f"## {words['right']}", "", words["right_intro"], "", *right(words)]
    lines += [f"## {words['causes']}", "", words["causes_intro"], "", *accuracy(words)]
    return "\n".join(lines)


def main(words, root=ROOT):
    if words not in ([], ["--check"]):
        raise Trouble(f"checks_page.py takes --check; what is '{words[-1]}'?", USAGE)
    for name, language in PAGES.items():
        renew(root / name, page(language), words and f"{name} is stale: python3 tools/checks_page.py")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        say(trouble)
        sys.exit(trouble.code)
