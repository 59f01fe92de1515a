// 07 with work: the reactor, whose handler burns the CPU time of --work-us for each message before it answers. What a
// pool of workers (08) is for shows beside it.
//
// Build: g++ -std=c++20 -O2 -I. bench/loop_work.cpp -o loop_work

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <span>
#include <vector>

#include "07_reactor/event_loop.h"
#include "07_reactor/stream_server.h"
#include "08_threadpool/burn.h"
#include "wrap/options.h"
#include "wrap/upper.h"

int main(int argc, char *argv[]) try {
    Limits limits;
    std::chrono::microseconds work(0);
    std::vector<ExtraOption> options{{.name = "work-us",
                                      .argument = "N",
                                      .accepts = "a number of microseconds",
                                      .help = "of CPU time for each message: 0 unless told otherwise",
                                      .take = [&work](const char *word) {
                                          const auto number = parse_number<unsigned>(word);
                                          work = std::chrono::microseconds(number.value_or(0));
                                          return number.has_value();
                                      }}};
    for (const ExtraOption &option : limit_options(limits))
        options.push_back(option);
    const Address address = parse_options(argc, argv, "server", 9999, options);
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    const std::atomic<bool> never = false;
    EventLoop loop;
    StreamServer server(loop, address, limits,
                        {.received = [&work, &never](Connection &connection, std::span<char> text) {
                            burn(work, never);
                            upper_case(text);
                            connection.send(text);
                        }});
    loop.run();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
}
