#include "engine/team/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>

#include "engine/errors.h"
#include "engine/team.h"

namespace canal {

namespace {

class Socket {
 public:
  Socket(int family, int type) : fd_(socket(family, type | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

// Hands over the numeric addresses of a name, those of IPv4 first so that all workers choose the
// same family, until one is taken.
bool any_address(const std::string& name, int port,
                 const std::function<bool(const addrinfo&)>& takes) {
  for (const int family : {AF_INET, AF_INET6}) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) continue;
    bool taken = false;
    for (const addrinfo* a = found; a != nullptr && !taken; a = a->ai_next) taken = takes(*a);
    freeaddrinfo(found);
    if (taken) return true;
  }
  return false;
}

bool connects(const addrinfo& address) {
  constexpr int patience_ms = 250;
  const Socket tried(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK);
  if (tried < 0) return false;
  if (connect(tried, address.ai_addr, address.ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd waiting{tried, POLLOUT, 0};
  int problem = 1;
  socklen_t length = sizeof(problem);
  return poll(&waiting, 1, patience_ms) == 1 &&
         getsockopt(tried, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 && problem == 0;
}

// Connecting a datagram socket sends nothing, but chooses the route.
std::string route_starts_at(const addrinfo& address) {
  const Socket route(address.ai_family, SOCK_DGRAM);
  sockaddr_storage own{};
  socklen_t length = sizeof(own);
  if (route < 0 || connect(route, address.ai_addr, address.ai_addrlen) != 0) return "";
  if (getsockname(route, reinterpret_cast<sockaddr*>(&own), &length) != 0) return "";
  char text[NI_MAXHOST];
  const int status = getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof(text),
                                 nullptr, 0, NI_NUMERICHOST);
  return status == 0 ? text : "";
}

}  // namespace

bool somebody_listens(const std::string& address, int port) {
  return any_address(address, port, connects);
}

std::string own_address_towards(const std::string& address, int port) {
  std::string own;
  any_address(address, port, [&own](const addrinfo& a) {
    own = route_starts_at(a);
    return !own.empty();
  });
  return own;
}

bool is_loopback(const std::string& numeric_address) {
  return numeric_address.compare(0, 4, "127.") == 0 || numeric_address == "::1";
}

int free_port() {
  const Socket listening(AF_INET, SOCK_STREAM);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t length = sizeof(own);
  auto* address = reinterpret_cast<sockaddr*>(&own);
  if (listening < 0 || bind(listening, address, length) != 0 ||
      getsockname(listening, address, &length) != 0)
    throw Error(ErrorKind::team, "The system gives no TCP port.");
  return ntohs(own.sin_port);
}

}  // namespace canal
