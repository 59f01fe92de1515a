"""What the pictures say, in words, from the numbers themselves, and what they do not: in English and in Chinese. A
difference that is not larger than the spread is said to be none."""

from tables import number

FLOOR = "floor"
WORDS = {
    "en": {
        "comma": ", ", "semicolon": "; ", "space": " ",
        "none": "no difference larger than the spread",
        "most": "At {at} connections, the smallest median of CPU time a message is that of {least}, {low} µs, the "
                "largest that of {most}, {high} µs.",
        "once": "There was one round, which tells no spread.",
        "bars": "Points are medians, bars the smallest and the largest round; one is less than another if it was so within "
                "every round.",
        "beside": "Beside {at} idle connections a message costs, in times of what it costs the same server beside "
                  "none: {list}.",
        "apart": "Where no spread follows, no round has both, and it is the ratio of the medians.",
        "memory": "A connection takes, in kB of the server's own memory, the kernel's not included: {list}.",
        "kernel": "In kB of the kernel's memory, both its ends together: {list}.",
        "crowd": "With {at} connections on the machine a message costs, in µs of CPU time: {list}.",
        "churn": "For each connection, opened, used once and closed, the server takes, in µs of CPU time: {list}.",
        "work": "Of messages that take {at} µs, the pool answers {ratio} as many as the loop alone.",
        "floor": "At {at} connections, in times of the bare loop: {list}.",
        "calls": "System calls a message at {at} connections, those that open them included: {list}.",
        "http": "A request for 1 KiB on {at} connections takes, in µs of the server's CPU time: {list}.",
        "file": "A request for a file of {at} bytes on 16 connections takes, in µs of the server's CPU time: {list}.",
        "size": "For a message of {at} bytes the server takes, in µs of CPU time: {list}.",
        "udp": "With {at} peers a datagram takes, in µs of the server's CPU time: {list}.",
    },
    "zh": {
        "comma": "，", "semicolon": "；", "space": "",
        "none": "没有超出离散范围的差别",
        "most": "{at} 个连接时，每条消息用的 CPU 时间，中位数最小的是 {least}，{low} µs，最大的是 {most}，{high} µs。",
        "once": "只有一轮，看不出离散范围。",
        "bars": "点是中位数，竖线是最小与最大的一轮；每一轮里都更小，才算更小。",
        "beside": "旁边有 {at} 个空闲连接时，一条消息的代价是同一服务器旁边没有空闲连接时的几倍：{list}。",
        "apart": "后面没有范围的，是两个中位数之比：没有哪一轮两者都测过。",
        "memory": "每个连接占用服务器自己的内存（不含内核的），单位 kB：{list}。",
        "kernel": "占用内核的内存（连接的两端合计），单位 kB：{list}。",
        "crowd": "机器上共有 {at} 个连接时，一条消息用的 CPU 时间，单位 µs：{list}。",
        "churn": "一个连接从打开、用一次到关闭，服务器用的 CPU 时间，单位 µs：{list}。",
        "work": "每条消息要 {at} µs 时，线程池答复的消息数与单独一个循环相比：{ratio} 倍。",
        "floor": "{at} 个连接时，是最简循环的几倍：{list}。",
        "calls": "{at} 个连接时每条消息的系统调用次数（包括打开连接的）：{list}。",
        "http": "{at} 个连接上，对 1 KiB 文件的一个请求，服务器用的 CPU 时间，单位 µs：{list}。",
        "file": "16 个连接上，对 {at} 字节文件的一个请求，服务器用的 CPU 时间，单位 µs：{list}。",
        "size": "{at} 字节的一条消息，服务器用的 CPU 时间，单位 µs：{list}。",
        "udp": "有 {at} 个对端时，一个数据报用的 CPU 时间，单位 µs：{list}。",
    },
}
NOT = {  # what a picture does not show; {} are all that have nothing of their own
    "en": {
        "": "It does not show what a network adds: both sides are on one machine, over its loopback.",
        "idle": "It does not show connections that are idle for a while only, nor what a timer costs that fires.",
        "lone": "It does not show the usual case, in which several are ready at once and share each look.",
        "size": "It does not show a slow reader: the load takes what comes at once.",
        "churn": "It does not show the handshake's way through a network, nor TLS.",
        "work": "It does not show work that waits, for a disk or another server: this work is all CPU time.",
        "http": "It does not show what the three others do besides: TLS, HTTP/2, modules, configuration.",
        "file": "It does not show files that are not in memory yet, and have to come from a disk.",
        "kept": "It does not show what TLS would need for each, nor a request that comes in slowly.",
        "udp": "It does not show loss: a datagram that was lost would have failed the measurement.",
        "calls": "It does not show what a call costs: that of one may be a hundred times that of another.",
        "crowd": "It does not show a million: the same growth beyond is a calculation.",
    },
    "zh": {
        "": "图中看不到网络带来的代价：两端在同一台机器上，中间是环回接口。",
        "idle": "图中看不到只空闲一阵的连接，也看不到每个连接的定时器到期时的代价。",
        "lone": "图中看不到通常的情形：几个连接同时就绪，一次查看由它们分摊。",
        "size": "图中看不到读得慢的对端：压力发生器一来就读走。",
        "churn": "图中看不到握手经过网络的路程，也没有 TLS。",
        "work": "图中看不到要等待磁盘或别的服务器的工作：这里的工作全是 CPU 时间。",
        "http": "图中看不到另外三个服务器还能做的事：TLS、HTTP/2、模块、配置。",
        "file": "图中看不到还不在内存里、要从磁盘读来的文件。",
        "kept": "图中看不到 TLS 给每个连接添的内存，也看不到慢慢到来的请求。",
        "udp": "图中看不到丢失：丢一个数据报，这次测量就算失败。",
        "calls": "图中看不到一次调用的代价：一种调用可能是另一种的一百倍。",
        "crowd": "图中看不到一百万：再往上，同样的增长只是计算。",
    },
}


def plain(figure, factor=1):
    """"9.8 (9.7–10)"; from one round, the number alone."""
    text = number(figure.median * factor)
    return text if figure.rounds < 2 else \
        f"{text} ({number(figure.low * factor)}–{number(figure.high * factor)})"


def each(results, metric, sweep, at, words, factor=1):
    """"07_reactor 9.8 (9.7–10), …" of those that have a figure, the least first."""
    found = [(figure, server) for server in results.servers(sweep)
             if (figure := results.figure(metric, sweep, at, server))]
    return words["comma"].join(f"{server} {plain(figure, factor)}"
                               for figure, server in sorted(found, key=lambda one: one[0].median))


def ratio(figure, words):
    """The ratio with its spread; where that spread has 1 in it, that there is no difference."""
    if figure.rounds < 2:
        return f"{figure.median:.2f}"
    median, low, high = (f"{value:.2f}" for value in (figure.median, figure.low, figure.high))
    none = f"{words['comma']}{words['none']}" if float(low) <= 1 <= float(high) else ""
    return f"{median} ({low}–{high}){none}"


def ratios(results, sweep, at, to, words):
    """Of each server's CPU time to that of `to(server)`, a point."""
    found = []
    for server in results.servers(sweep):
        figure = results.ratio("cpu_us", (sweep, at, server), to(server))
        if figure and to(server) != (sweep, at, server):
            found.append(f"{server} {ratio(figure, words)}")
    return words["semicolon"].join(found)


def of_connections(results, at, words):
    found = {server: figure for server in results.servers("connections")
             if (figure := results.figure("cpu_us", "connections", at, server))}
    if not found:
        return ""
    least, most = (pick(found, key=lambda server: found[server].median) for pick in (min, max))
    text = words["most"].format(at=at, least=least, low=plain(found[least]), most=most, high=plain(found[most]))
    others = ratios(results, "connections", at, lambda server: ("connections", at, FLOOR), words)
    return text + (words["space"] + words["floor"].format(at=at, list=others) if others else "")


def of_memory(results, sweep, at, words):
    lists = {name: each(results, f"{metric}_per_connection", sweep, at, words, 1e-3)
             for name, metric in (("memory", "memory"), ("kernel", "kernel"))}
    return [words[name].format(list=found) for name, found in lists.items() if found]


def of_idle(results, sweep, at, words):
    none = results.beside_none(sweep)
    others = ratios(results, sweep, at, lambda server: (*none, server), words)
    apart = any(figure and not figure.rounds for server in results.servers(sweep)
                if (figure := results.ratio("cpu_us", (sweep, at, server), (*none, server))))
    return [words["beside"].format(at=f"{at:,}", list=others), *[words["apart"]] * apart] if others else []


def of_work(results, at, words):
    figure = results.ratio("messages_per_second", ("work", at, "08_threadpool"), ("work", at, "loop_work"))
    return words["work"].format(at=at, ratio=ratio(figure, words)) if figure else ""


def sentence(results, sweep, language="en", at=None):
    """What the picture of this sweep shows at `at`, its largest number unless told otherwise."""
    words = WORDS[language]
    at = at or results.points(sweep)[-1]
    if sweep == "connections":
        text = of_connections(results, 100 if 100 in results.points(sweep) else at, words)
    elif sweep in ("idle", "lone"):
        text = words["space"].join(of_idle(results, sweep, at, words)
                                   + of_memory(results, sweep, at, words) * (sweep == "idle"))
    elif sweep == "crowd":
        text = words["space"].join([words["crowd"].format(at=f"{at:,}", list=each(results, "cpu_us", sweep, at, words)),
                                    *of_memory(results, sweep, at, words)])
    elif sweep == "kept":
        text = words["memory"].format(list=each(results, "memory_per_connection", sweep, at, words, 1e-3))
    elif sweep == "work":
        text = of_work(results, at, words)
    elif sweep == "calls":
        text = words["calls"].format(at=at, list=each(results, "system_calls", sweep, at, words))
    else:
        text = words.get(sweep, words["size"]).format(at=at, list=each(results, "cpu_us", sweep, at, words))
    bars = words["bars"] if results.most_rounds(sweep) > 1 else words["once"]
    return words["space"].join(part for part in (text, NOT[language].get(sweep, NOT[language][""]), bars) if part)
