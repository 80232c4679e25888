#include "engine/runtime/thread_scope.h"

#include <ATen/Parallel.h>
#if AT_PARALLEL_OPENMP
#include <omp.h>
#endif

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>
#include <new>
#include <vector>

#include "engine/runtime/blas.h"

namespace canal {

namespace {

bool has_own_pool(const BlasFunctions& blas) {
  return blas.kind == "openblas-pthread" && blas.set_threads != nullptr &&
         blas.get_threads != nullptr;
}

// OpenMP ends the process where it cannot start a thread, so as many are started here first: where
// that fails, for want of memory or of a right to more, std::system_error is thrown. The C library
// keeps their stacks for those that come next.
void try_threads(int count) {
  require_thread_memory(count - 1);
  std::mutex mutex;
  std::condition_variable ended;
  bool may_end = false;
  std::vector<std::future<void>> started;
  const auto end_all = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    may_end = true;
    ended.notify_all();
  };
  try {
    for (int i = 1; i < count; ++i) {
      started.push_back(std::async(std::launch::async, [&] {
        std::unique_lock<std::mutex> lock(mutex);
        ended.wait(lock, [&] { return may_end; });
      }));
    }
  } catch (...) {
    end_all();
    throw;
  }
  end_all();
}

// Has OpenMP's threads run, `count` with this one, before anything takes the memory that they need
// to begin: each touches the variables that LibTorch keeps of it, and a part of the heap of its
// own.
void start_threads(int count) {
  require_thread_memory(count - 1);
  std::atomic<bool> had_room{true};
  at::parallel_for(0, count, 1, [&](int64_t, int64_t) {
    constexpr size_t room = size_t{100} << 10;
    void* volatile got = std::malloc(room);
    if (got == nullptr) had_room = false;
    std::free(got);
  });
  if (!had_room) throw std::bad_alloc();
}

// With OpenMP the number is the calling thread's own. LibTorch's function would also make another
// pool of threads anew each time, for a library that nothing here uses, and they start by spinning.
void set_torch_threads(int count) {
#if AT_PARALLEL_OPENMP
  omp_set_num_threads(count);
#else
  at::set_num_threads(count);
#endif
}

// Has OpenBLAS take the memory that it multiplies in while it is there: where it is not, OpenBLAS
// goes on asking for ever. 128 MB of addresses for each thread that multiplies, once: it is asked
// for as many threads as there have not been before. Throws std::bad_alloc.
void take_blas_memory(int threads) {
  constexpr size_t bytes_each = (size_t{128} << 20) + 8192;
  static std::atomic<int> had{0};
  const BlasFunctions& blas = blas_functions();
  const int before = had.load();
  if (threads <= before || blas.kind.rfind("openblas", 0) != 0) return;
  require_memory(bytes_each * static_cast<size_t>(threads - before));
  if (blas.take_buffer != nullptr && blas.give_buffer != nullptr) {
    std::vector<void*> taken(static_cast<size_t>(threads));
    for (void*& buffer : taken) buffer = blas.take_buffer(0);
    for (void* buffer : taken) blas.give_buffer(buffer);
  }
  had = threads;
}

}  // namespace

#if AT_PARALLEL_OPENMP
OneThread::OneThread() : before_(omp_get_max_threads()) {
  // LibTorch would set its own default when it is first asked.
  at::get_num_threads();
  omp_set_num_threads(1);
}
OneThread::~OneThread() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
}
#else
OneThread::OneThread() : before_(0) {}
OneThread::~OneThread() = default;
#endif

// Asking LibTorch first lets it set the thread up, which it does once.
ThreadScope::ThreadScope(int requested) : torch_before_(at::get_num_threads()), blas_before_(0) {
  const int count = usable_threads(requested);
  const BlasFunctions& blas = blas_functions();
  take_blas_memory(count);
  try_threads(count);
  set_torch_threads(count);
  start_threads(count);
  if (!has_own_pool(blas)) return;
  blas_before_ = blas.get_threads();
  blas.set_threads(1);
}

ThreadScope::~ThreadScope() {
  set_torch_threads(torch_before_);
  if (blas_before_ > 0) blas_functions().set_threads(blas_before_);
}

}  // namespace canal
