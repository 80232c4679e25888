// Where the workers of a team find each other: a table of keys and values that rank 0 holds and all
// read over the network (c10d's TCPStore).
#pragma once
#ifdef CANALR_GLOO
#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "engine/team.h"

namespace canal {

class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000))) {}
  bool passed() const { return Clock::now() >= end_; }
  std::chrono::milliseconds left() const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

struct Meeting {
  c10::intrusive_ptr<c10d::TCPStore> table;
  std::string own_address;  // numeric; other workers reach this one there
};

// Ends when all workers are there and agree on who they are.
Meeting meet(const TeamOptions& options, const Deadline& deadline, const Control& control);

// "node1:29500"
std::string place_name(const TeamOptions& options);

}  // namespace canal
#endif
