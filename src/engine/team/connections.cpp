#ifdef CANALR_GLOO
#include "engine/team/connections.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace canal {

namespace {

// Address and port alone; the rest of a sockaddr_storage is padding.
std::vector<char> endpoint(const sockaddr_storage& address) {
  auto bytes = [](const auto&... parts) {
    std::vector<char> all;
    auto add = [&all](const auto& part) {
      const auto* begin = reinterpret_cast<const char*>(&part);
      all.insert(all.end(), begin, begin + sizeof(part));
    };
    (add(parts), ...);
    return all;
  };
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return bytes(v4.sin_port, v4.sin_addr);
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return bytes(v6.sin6_port, v6.sin6_addr);
  }
  return {};
}

constexpr size_t endpoint_room = sizeof(in_port_t) + sizeof(in6_addr);

// Gloo's form of an address begins with a sockaddr_storage.
std::vector<char> endpoint(const std::vector<char>& gloo_address) {
  if (gloo_address.empty()) return {};
  sockaddr_storage address{};
  std::memcpy(&address, gloo_address.data(), std::min(sizeof(address), gloo_address.size()));
  return endpoint(address);
}

using Ask = int (*)(int, sockaddr*, socklen_t*);

std::vector<char> endpoint_of(int socket, Ask ask) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (ask(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return endpoint(address);
}

std::vector<int> open_descriptors() {
  std::vector<int> found;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') found.push_back(std::atoi(entry->d_name));
  }
  closedir(folder);
  return found;
}

// Where all workers listened: a row per worker, in it an endpoint per other worker.
class ListeningTable {
 public:
  ListeningTable(c10d::ProcessGroupGloo& group, c10d::TCPStore& table)
      : rank_(group.getRank()), table_(table) {
    std::vector<uint8_t> row(group.getSize() * endpoint_room);
    for (const std::vector<char>& address : listening_addresses(group)) {
      own_.push_back(endpoint(address));
      std::copy(own_.back().begin(), own_.back().end(),
                row.begin() + static_cast<int64_t>(own_.size() - 1) * endpoint_room);
    }
    table_.set(key(rank_), row);
  }

  const std::vector<char>& own(int other) const { return own_[other]; }

  // Where that worker listened for this one.
  std::vector<char> theirs(int other) const {
    const std::vector<uint8_t> row = table_.get(key(other));
    const auto begin = row.begin() + static_cast<int64_t>(rank_) * endpoint_room;
    return {begin, begin + static_cast<int64_t>(own_[other].size())};
  }

 private:
  static std::string key(int rank) { return "listens " + std::to_string(rank); }
  const int rank_;
  c10d::TCPStore& table_;
  std::vector<std::vector<char>> own_;
};

struct Socket {
  int descriptor;
  std::vector<char> own, peer;
};

// Every connected socket of this process, duplicated first: another thread may close its own.
std::vector<Socket> connected_sockets() {
  std::vector<Socket> sockets;
  for (const int descriptor : open_descriptors()) {
    const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) continue;
    Socket socket{copy, endpoint_of(copy, getsockname), endpoint_of(copy, getpeername)};
    if (socket.peer.empty()) {
      close(copy);
    } else {
      sockets.push_back(std::move(socket));
    }
  }
  return sockets;
}

// How the kernel sees a connection; zeros where it does not tell.
tcp_info facts(int socket) {
  tcp_info info{};
  socklen_t length = sizeof(info);
  getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length);
  return info;
}

constexpr int tcp_established = 1;  // linux/tcp.h does not name the states, netinet/tcp.h clashes

}  // namespace

Connections::Connections(c10d::ProcessGroupGloo& group, c10d::TCPStore& table)
    : sockets_(group.getSize(), -1) {
  const ListeningTable listening(group, table);
  std::vector<Socket> sockets = connected_sockets();
  for (int rank = 0; rank < group.getSize(); ++rank) {
    if (rank == group.getRank()) continue;
    // One of the two has connected to where the other listened.
    const std::vector<char>& own = listening.own(rank);
    const std::vector<char> theirs = listening.theirs(rank);
    for (Socket& socket : sockets) {
      if (socket.descriptor < 0 || (socket.own != own && socket.peer != theirs)) continue;
      sockets_[rank] = std::exchange(socket.descriptor, -1);
      break;
    }
  }
  for (const Socket& socket : sockets) {
    if (socket.descriptor >= 0) close(socket.descriptor);
  }
  if (std::count(sockets_.begin(), sockets_.end(), -1) != 1) {
    throw Error(ErrorKind::team, "The team's connections were not found among the open files.");
  }
}

Connections::~Connections() {
  for (const int socket : sockets_)
    if (socket >= 0) close(socket);
}

void Connections::shut() const {
  for (const int socket : sockets_)
    if (socket >= 0) shutdown(socket, SHUT_RDWR);
}

std::vector<int> Connections::closed() const {
  std::vector<int> ranks;
  for (size_t rank = 0; rank < sockets_.size(); ++rank) {
    if (sockets_[rank] < 0) continue;
    if (facts(sockets_[rank]).tcpi_state != tcp_established)
      ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

int64_t Connections::bytes_sent() const {
  int64_t sum = 0;
  for (const int socket : sockets_) {
    if (socket < 0) continue;
    const tcp_info info = facts(socket);
    sum += static_cast<int64_t>(info.tcpi_bytes_sent - info.tcpi_bytes_retrans);
  }
  return sum;
}

}  // namespace canal
#endif
