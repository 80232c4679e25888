// What c10d's process group over Gloo keeps to itself and a team needs, reached by pointers to
// protected members, which the language allows to derived classes; no object is of these. Header
// code only, so that nothing of libgloo must be linked: LibTorch brings it. The probe of
// `configure` includes this file, and nothing else of the engine.
#pragma once
#ifndef __linux__
#error "Several processes: Linux only; elsewhere Gloo reaches the network through another library"
#endif
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include <gloo/context.h>
#include <gloo/transport/address.h>
#include <gloo/transport/context.h>
#include <gloo/transport/pair.h>

namespace canal {
namespace gloo_inside {

struct OfGroup : c10d::ProcessGroupGloo {
  static auto contexts() { return &OfGroup::contexts_; }
  static auto counter() { return &OfGroup::collectiveCounter_; }
};

struct OfContext : gloo::Context {
  static auto transport() { return &OfContext::transportContext_; }
};

inline gloo::transport::Context& transport_of(c10d::ProcessGroupGloo& group) {
  return *((*(group.*OfGroup::contexts()).at(0)).*OfContext::transport());
}

template <class Options>
auto refuse_libuv(Options& options, int) -> decltype(options.useLibUV = false, void()) {
  options.useLibUV = false;
}

template <class Options>
void refuse_libuv(Options&, ...) {}

}  // namespace gloo_inside

// How workers meet. Newer c10d would serve the table by libuv, without which LibTorch may be built
// (Debian's is); its own server is in all versions.
inline c10d::TCPStoreOptions store_options() {
  c10d::TCPStoreOptions options;
  gloo_inside::refuse_libuv(options, 0);
  options.waitWorkers = false;
  return options;
}

// Where this worker listened for each of the others: sockaddr_storage by rank, empty for itself.
// Newer Gloo listens at one place for all.
inline std::vector<std::vector<char>> listening_addresses(c10d::ProcessGroupGloo& group) {
  gloo::transport::Context& transport = gloo_inside::transport_of(group);
  std::vector<std::vector<char>> addresses(group.getSize());
  for (int rank = 0; rank < group.getSize(); ++rank) {
    if (rank != group.getRank()) addresses[rank] = transport.getPair(rank)->address().bytes();
  }
  return addresses;
}

// Workers match their calls by a number alone, and Gloo ends the process, from a thread where
// nobody can catch it, if a message is longer than the other side expects. So the number is made of
// the call's place and of what it is: unlike calls never meet, and are waited for until it is
// noticed.
inline void number_next_call(c10d::ProcessGroupGloo& group, int64_t place,
                             const std::string& what) {
  const auto hash = static_cast<uint32_t>(std::hash<std::string>()(what));
  const uint32_t number = (static_cast<uint32_t>(place) << 24) | (hash & 0xffffffU);
  group.*gloo_inside::OfGroup::counter() = number;
}

}  // namespace canal
