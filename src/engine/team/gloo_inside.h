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

}  // namespace gloo_inside

// Where this worker listened for each of the others: sockaddr_storage by rank, empty for itself.
inline std::vector<std::vector<char>> listening_addresses(c10d::ProcessGroupGloo& group) {
  const std::shared_ptr<gloo::Context>& context = (group.*gloo_inside::OfGroup::contexts()).at(0);
  gloo::transport::Context& transport = *((*context).*gloo_inside::OfContext::transport());
  std::vector<std::vector<char>> addresses(context->size);
  for (int rank = 0; rank < context->size; ++rank) {
    if (rank != context->rank) addresses[rank] = transport.getPair(rank)->address().bytes();
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
