// What a running computation shares with the thread that waits for it.
#pragma once
#include <atomic>
#include <cstdint>

#include "engine/errors.h"

namespace canal {

struct Control {
  std::atomic<bool> cancel{false};  // set by the waiting thread, read by the worker
  std::atomic<int64_t> done{0};     // units of work finished (cells)
  std::atomic<int64_t> total{0};    // units of work in all

  void check() const {
    if (cancel.load(std::memory_order_relaxed)) throw Cancelled();
  }
};

}  // namespace canal
