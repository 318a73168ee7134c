// The echo server and the broadcasting one on uWebSockets, as its own examples set them up.
//
// server echo|broadcast CONGESTION BURST: CONGESTION is the congestion control of all connections,
// or `system` for the default; BURST is how many publications a message to the broadcasting server
// makes. Listens on a free port of the loopback and says which.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

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

uWS::App::WebSocketBehavior<Nothing> behavior() {
    return {
        .compression = uWS::DISABLED,
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
    if (argc != 4) {
        fprintf(stderr, "usage: server echo|broadcast CONGESTION BURST\n");
        return 2;
    }
    // It ends with the program that has started it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool broadcasts = strcmp(argv[1], "broadcast") == 0;
    const char *congestion = argv[2];
    const int burst = atoi(argv[3]);
    const std::string publication(publication_len, 'x');

    auto app = uWS::App();
    auto behaves = behavior();
    if (broadcasts) {
        behaves.open = [](auto *ws) { ws->subscribe("all"); };
        behaves.message = [&app, &publication, burst](auto *, std::string_view, uWS::OpCode) {
            for (int i = 0; i < burst; i++) {
                app.publish("all", publication, uWS::OpCode::BINARY, false);
            }
        };
    } else {
        behaves.message = [](auto *ws, std::string_view message, uWS::OpCode opcode) {
            ws->send(message, opcode, false);
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
