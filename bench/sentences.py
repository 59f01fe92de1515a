"""What the pictures say, in words, from the numbers themselves: in English and in Chinese. A difference that is not larger
than the spread is said to be none."""

from tables import number

FLOOR = "floor"
WORDS = {
    "en": {
        "none": "no difference larger than the spread", "times": "{0} times {1} ({2}–{3})",
        "most": "At {at}, the least CPU time a message is that of {least} ({low} µs), the most that of {most} ({high} µs).",
        "bars": "Points are medians, bars the smallest and the largest round; what does not lie apart does not differ.",
        "idle": "Beside {at} idle connections a message costs, in times of what it costs the same server beside none: {list}.",
        "memory": "A connection takes, in kB of the server's own memory, the kernel's not included: {list}.",
        "churn": "For each connection, opened, used once and closed, the server takes, in µs of CPU time: {list}.",
        "work": "Of messages that take {at} µs, the pool answers {ratio} as many as the loop alone.",
        "floor": "At {at} connections, in times of the bare loop: {list}.",
        "calls": "System calls a message at {at} connections, those that open them included: {list}.",
        "http": "A request for 1 KiB on {at} connections takes, in µs of the server's CPU time: {list}.",
        "size": "For a message of {at} bytes the server takes, in µs of CPU time: {list}.",
    },
    "zh": {
        "none": "没有超出离散范围的差别", "times": "{1} 的 {0} 倍（{2}–{3}）",
        "most": "{at} 时，每条消息用 CPU 时间最少的是 {least}（{low} µs），最多的是 {most}（{high} µs）。",
        "bars": "点是中位数，竖线是最小与最大的一轮；没有分开的，就没有差别。",
        "idle": "旁边有 {at} 个空闲连接时，一条消息的代价是同一服务器旁边没有空闲连接时的几倍：{list}。",
        "memory": "每个连接占用服务器自己的内存（不含内核的），单位 kB：{list}。",
        "churn": "一个连接从打开、用一次到关闭，服务器用的 CPU 时间，单位 µs：{list}。",
        "work": "每条消息要 {at} µs 时，线程池答复的消息数与单独一个循环相比：{ratio} 倍。",
        "floor": "{at} 个连接时，是最简循环的几倍：{list}。",
        "calls": "{at} 个连接时每条消息的系统调用次数（包括打开连接的）：{list}。",
        "http": "{at} 个连接上，对 1 KiB 文件的一个请求，服务器用的 CPU 时间，单位 µs：{list}。",
        "size": "{at} 字节的一条消息，服务器用的 CPU 时间，单位 µs：{list}。",
    },
}


def plain(figure, factor=1):
    return f"{number(figure.median * factor)} ({number(figure.low * factor)}–{number(figure.high * factor)})"


def each(results, metric, sweep, at, factor=1):
    """"07_reactor 9.8 (9.7–10), …" of those that have a figure, the least first."""
    found = [(figure, server) for server in results.servers(sweep) if (figure := results.figure(metric, sweep, at, server))]
    return ", ".join(f"{server} {plain(figure, factor)}" for figure, server in sorted(found, key=lambda one: one[0].median))


def ratio(figure, words):
    """The ratio with its spread; where that spread has 1 in it, that there is no difference."""
    text = f"{figure.median:.2f} ({figure.low:.2f}–{figure.high:.2f})"
    return text if figure.rounds > 1 and not figure.low <= 1 <= figure.high else f"{text}, {words['none']}"


def ratios(results, sweep, at, to, words):
    """Of each server's CPU time to that of `to(server)`, a point."""
    found = []
    for server in results.servers(sweep):
        figure = results.ratio("cpu_us", (sweep, at, server), to(server))
        if figure and to(server) != (sweep, at, server):
            found.append(f"{server} {ratio(figure, words)}")
    return "; ".join(found)


def of_connections(results, at, words):
    found = {server: figure for server in results.servers("connections")
             if (figure := results.figure("cpu_us", "connections", at, server))}
    if not found:
        return ""
    least, most = (pick(found, key=lambda server: found[server].median) for pick in (min, max))
    text = words["most"].format(at=at, least=least, low=plain(found[least]), most=most, high=plain(found[most]))
    others = ratios(results, "connections", at, lambda server: ("connections", at, FLOOR), words)
    return text + (" " + words["floor"].format(at=at, list=others) if others else "")


def of_idle(results, at, words):
    parts = []
    if others := ratios(results, "idle", at, lambda server: ("connections", 100, server), words):
        parts.append(words["idle"].format(at=f"{at:,}", list=others))
    if memory := each(results, "memory_per_connection", "idle", at, 1e-3):
        parts.append(words["memory"].format(list=memory))
    return " ".join(parts)


def of_work(results, at, words):
    figure = results.ratio("messages_per_second", ("work", at, "08_threadpool"), ("work", at, "loop_work"))
    return words["work"].format(at=at, ratio=ratio(figure, words)) if figure else ""


def sentence(results, sweep, language="en", at=None):
    """What the picture of this sweep shows at `at`, its largest number unless told otherwise."""
    words = WORDS[language]
    at = at or results.points(sweep)[-1]
    if sweep == "connections":
        text = of_connections(results, 100 if 100 in results.points(sweep) else at, words)
    elif sweep == "idle":
        text = of_idle(results, at, words)
    elif sweep == "work":
        text = of_work(results, at, words)
    elif sweep == "calls":
        text = words["calls"].format(at=at, list=each(results, "system_calls", sweep, at))
    else:
        text = words.get(sweep, words["size"]).format(at=at, list=each(results, "cpu_us", sweep, at))
    return f"{text} {words['bars']}".strip()
