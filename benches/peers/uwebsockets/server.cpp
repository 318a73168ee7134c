// The echo server and the broadcasting one on uWebSockets, as its own examples set them up.
//
// server echo|broadcast CONGESTION BURST plain|shared|dedicated [FILE]: CONGESTION is the congestion
// control of all connections, or `system` for the default; BURST is how many publications a message to
// the broadcasting server makes, whose texts are the lines of FILE; then how messages are compressed.
// Listens on a free port of the loopback and says which.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "App.h"

namespace {

constexpr unsigned int max_message_len = 1024 * 1024;
constexpr unsigned int publication_len = 128;

struct Nothing {};

void set_congestion(us_listen_socket_t *listener, const char *name) {
    auto *socket = reinterpret_cast<us_socket_t *>(listener);
    int fd = static_cast<int>(reinterpret_cast<intptr_t>(us_socket_get_native_handle(0, socket)));
    socklen_t len = static_cast<socklen_t>(strlen(name));
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, len) != 0) {
        perror("congestion control");
        exit(1);
    }
}

uWS::CompressOptions compression(std::string_view coding) {
    if (coding == "plain") {
        return uWS::DISABLED;
    }
#ifdef UWS_NO_ZLIB
    fprintf(stderr, "built without zlib\n");
    exit(1);
#else
    if (coding == "shared") {
        return uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR);
    }
    return uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR | uWS::DEDICATED_DECOMPRESSOR);
#endif
}

std::vector<std::string> read_publications(const char *path) {
    if (!path) {
        return {std::string(publication_len, 'x')};
    }
    std::vector<std::string> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

uWS::App::WebSocketBehavior<Nothing> behavior(uWS::CompressOptions compression) {
    return {
        .compression = compression,
        .maxPayloadLength = max_message_len,
        .idleTimeout = 120,
        .maxBackpressure = 64 * max_message_len,
        .closeOnBackpressureLimit = false,
        .resetIdleTimeoutOnSend = false,
        .sendPingsAutomatically = true,
    };
}

}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: server echo|broadcast CONGESTION BURST CODING [FILE]\n");
        return 2;
    }
    // It ends with the program that has started it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool broadcasts = strcmp(argv[1], "broadcast") == 0;
    const char *congestion = argv[2];
    const int burst = atoi(argv[3]);
    const auto compresses = compression(argv[4]);
    const bool deflates = compresses != uWS::DISABLED;
    const auto publications = read_publications(argc > 5 ? argv[5] : nullptr);
    size_t next = 0;

    auto app = uWS::App();
    auto behaves = behavior(compresses);
    if (broadcasts) {
        behaves.open = [](auto *ws) { ws->subscribe("all"); };
        behaves.message = [&, burst, deflates](auto *, std::string_view, uWS::OpCode) {
            for (int i = 0; i < burst; i++) {
                const auto &publication = publications[next++ % publications.size()];
                app.publish("all", publication, uWS::OpCode::BINARY, deflates);
            }
        };
    } else {
        behaves.message = [deflates](auto *ws, std::string_view message, uWS::OpCode opcode) {
            ws->send(message, opcode, deflates);
        };
    }
    app.ws<Nothing>("/*", std::move(behaves)).listen("127.0.0.1", 0, [&](auto *listener) {
        if (!listener) {
            fprintf(stderr, "cannot listen\n");
            exit(1);
        }
        if (strcmp(congestion, "system") != 0) {
            set_congestion(listener, congestion);
        }
        int port = us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener));
        printf("listening on 127.0.0.1:%d\n", port);
        fflush(stdout);
    }).run();
}
