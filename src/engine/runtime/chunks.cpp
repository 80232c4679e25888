#include "engine/runtime/chunks.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/runtime.h"

namespace canal {

namespace {

class Queue {
 public:
  Queue(int64_t chunks, const std::function<void(int64_t)>& work) : chunks_(chunks), work_(work) {}

  // What every thread does until no chunk is left or one has failed.
  void run() {
    while (!failed_) {
      const int64_t chunk = next_.fetch_add(1);
      if (chunk >= chunks_) return;
      try {
        work_(chunk);
      } catch (...) {
        keep(chunk, std::current_exception());
      }
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void keep(int64_t chunk, std::exception_ptr error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!error_ || chunk < failed_chunk_) {
      error_ = std::move(error);
      failed_chunk_ = chunk;
    }
    failed_ = true;
  }

  const int64_t chunks_;
  const std::function<void(int64_t)>& work_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
  int64_t failed_chunk_ = 0;
};

}  // namespace

void for_each_chunk(int64_t chunks, int num_threads, const std::function<void(int64_t)>& work) {
  Queue queue(chunks, work);
  {
    // Futures of std::async wait when they go, also where starting one more thread fails.
    std::vector<std::future<void>> helpers;
    const int64_t threads = std::min<int64_t>(usable_threads(num_threads), chunks);
    require_thread_memory(static_cast<int>(threads) - 1);
    for (int64_t i = 1; i < threads; ++i) {
      helpers.push_back(std::async(std::launch::async, [&] { queue.run(); }));
    }
    queue.run();
  }
  queue.rethrow();
}

}  // namespace canal
