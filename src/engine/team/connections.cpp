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
#include <fstream>
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

// An endpoint per other worker, told to that worker: where this one listens for it, for instance.
class EndpointTable {
 public:
  // own: by rank, empty for this worker and where there is none.
  EndpointTable(c10d::TCPStore& table, std::string name, int rank,
                std::vector<std::vector<char>> own)
      : table_(table), name_(std::move(name)), rank_(rank), own_(std::move(own)) {
    // A length in one byte, then the endpoint and nothing.
    std::vector<uint8_t> row(own_.size() * room);
    for (size_t other = 0; other < own_.size(); ++other) {
      row[other * room] = static_cast<uint8_t>(own_[other].size());
      std::copy(own_[other].begin(), own_[other].end(),
                row.begin() + static_cast<int64_t>(other * room + 1));
    }
    table_.set(key(rank_), row);
  }

  const std::vector<char>& own(int other) const { return own_[other]; }

  // What that worker told this one.
  std::vector<char> theirs(int other) const {
    const std::vector<uint8_t> row = table_.get(key(other));
    const auto begin = row.begin() + static_cast<int64_t>(rank_ * room);
    return {begin + 1, begin + 1 + *begin};
  }

 private:
  static constexpr size_t room = 1 + sizeof(in_port_t) + sizeof(in6_addr);
  std::string key(int rank) const { return name_ + " " + std::to_string(rank); }
  c10d::TCPStore& table_;
  const std::string name_;
  const int rank_;
  const std::vector<std::vector<char>> own_;
};

struct Socket {
  int descriptor;
  std::vector<char> own, peer;
};

// The descriptors that an epoll descriptor watches; none for one of another kind.
std::vector<int> watched_by(int descriptor) {
  std::ifstream facts("/proc/self/fdinfo/" + std::to_string(descriptor));
  std::vector<int> watched;
  for (std::string word; facts >> word;) {
    int number = 0;
    if (word == "tfd:" && facts >> number) watched.push_back(number);
  }
  return watched;
}

bool listens_at(int socket, const std::vector<std::vector<char>>& places) {
  const std::vector<char> own = endpoint_of(socket, getsockname);
  if (own.empty() || !endpoint_of(socket, getpeername).empty()) return false;
  return std::find(places.begin(), places.end(), own) != places.end();
}

// The descriptors among which a group's connections are. Newer Gloo goes on listening, in the loop
// that waits for the connections, too; other groups of this process have loops of their own.
std::vector<int> descriptors_of_group(const std::vector<std::vector<char>>& listening) {
  std::vector<int> all = open_descriptors();
  for (const int descriptor : all) {
    std::vector<int> watched = watched_by(descriptor);
    for (const int one : watched) {
      if (listens_at(one, listening)) return watched;
    }
  }
  return all;
}

// Those that are connected, duplicated first: another thread may close its own.
std::vector<Socket> connected_among(const std::vector<int>& descriptors) {
  std::vector<Socket> sockets;
  for (const int descriptor : descriptors) {
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

std::vector<std::vector<char>> listening_endpoints(c10d::ProcessGroupGloo& group) {
  std::vector<std::vector<char>> endpoints;
  for (const std::vector<char>& address : listening_addresses(group)) {
    endpoints.push_back(endpoint(address));
  }
  return endpoints;
}

bool is_same_connection(const Socket& a, const Socket& b) {
  return a.own == b.own && a.peer == b.peer;
}

// The one connection that this is true of; null for none and for several. Another worker of this
// process may have duplicates of it at this moment.
template <class Condition>
Socket* only(std::vector<Socket>& sockets, Condition&& holds) {
  Socket* found = nullptr;
  for (Socket& socket : sockets) {
    if (!holds(socket)) continue;
    if (found != nullptr && !is_same_connection(*found, socket)) return nullptr;
    if (found == nullptr) found = &socket;
  }
  return found;
}

// The sockets of a group by rank, null where none was found: one of two workers has connected to
// where the other listened, and tells it from where, as that may have listened for all in one
// place.
std::vector<Socket*> by_rank(c10d::ProcessGroupGloo& group, c10d::TCPStore& table,
                             const std::vector<std::vector<char>>& places,
                             std::vector<Socket>& sockets) {
  const int own_rank = group.getRank(), size = group.getSize();
  const EndpointTable listening(table, "listens", own_rank, places);
  std::vector<Socket*> found(size, nullptr);
  std::vector<std::vector<char>> from(size);
  for (int rank = 0; rank < size; ++rank) {
    if (rank == own_rank) continue;
    const std::vector<char> theirs = listening.theirs(rank);
    found[rank] = only(sockets, [&](const Socket& socket) { return socket.peer == theirs; });
    if (found[rank] != nullptr) from[rank] = found[rank]->own;
  }
  const EndpointTable connecting(table, "connects", own_rank, from);
  for (int rank = 0; rank < size; ++rank) {
    if (rank == own_rank || found[rank] != nullptr) continue;
    const std::vector<char> theirs = connecting.theirs(rank);
    const auto came = [&](const Socket& socket) { return socket.own == listening.own(rank); };
    found[rank] = only(sockets, came);
    if (found[rank] == nullptr) {
      found[rank] = only(sockets, [&](const Socket& s) { return came(s) && s.peer == theirs; });
    }
  }
  return found;
}

}  // namespace

Connections::Connections(c10d::ProcessGroupGloo& group, c10d::TCPStore& table)
    : sockets_(group.getSize(), -1) {
  const std::vector<std::vector<char>> places = listening_endpoints(group);
  std::vector<Socket> sockets = connected_among(descriptors_of_group(places));
  const std::vector<Socket*> found = by_rank(group, table, places, sockets);
  for (size_t rank = 0; rank < found.size(); ++rank) {
    if (found[rank] != nullptr) sockets_[rank] = std::exchange(found[rank]->descriptor, -1);
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
