"""The pictures of real runs for the book: which runs of which chapter, and what each is called."""

from common import CHAPTERS
from trace import own_command, record
from trace_show import drawing, table

# chapter: (title in English, in Chinese, options of the server, bytes that B says besides)
RUNS = {
    "01_basic_tcp": [("A is silent, and B and C wait for it", "A 不说话，B 和 C 都在等它", (), 0)],
    "02_fork_server": [("A child for each of three clients", "三个客户端各有一个子进程", (), 0)],
    "03_thread_server": [("A thread for each of three clients", "三个客户端各有一个线程", (), 0)],
    "04_select": [("Three clients, one thread, select", "三个客户端，一个线程，select", (), 0)],
    "05_poll": [("Three clients, one thread, poll", "三个客户端，一个线程，poll", (), 0)],
    "06_epoll": [("Level-triggered: B says more than a buffer holds", "水平触发：B 说的比一个缓冲区多",
                  ("--trigger", "level"), 20000),
                 ("Edge-triggered: B says more than a buffer holds", "边沿触发：B 说的比一个缓冲区多",
                  ("--trigger", "edge"), 20000)],
    "07_reactor": [("A is idle for too long: the loop's timer", "A 空闲太久：循环的定时器", ("--idle-timeout", "1"), 0)],
    "08_threadpool": [("The loop and two workers", "事件循环与两个工作线程",
                       ("--min-threads", "2", "--max-threads", "2"), 0)],
    "09_udp": [("Three clients, one socket", "三个客户端，一个套接字", (), 0)],
    "10_unix_socket": [("Three clients on a path", "三个客户端，同一个路径", (), 0)],
    "11_http": [("Three requests", "三个请求", (), 0)],
    "12_libevent": [("Three clients, libevent's loop", "三个客户端，libevent 的循环", (), 0)],
}


def picture_of(run, english, chinese):
    def picture(language):
        title = chinese if language == "zh" else english
        return {"title": title, "svg": drawing(run, title, language), "table": table(run, language)}

    return picture


def pictures():
    """{chapter's name: [a function that makes the picture in a language]}, from real runs, made now."""
    return {chapter.name: [picture_of(record(chapter, own_command(chapter), options, big), english, chinese)
                           for english, chinese, options, big in RUNS[chapter.name]] for chapter in CHAPTERS}
