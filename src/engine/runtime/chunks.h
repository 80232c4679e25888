// Work that is shared out among threads without LibTorch: passes over sparse counts.
#pragma once
#include <cstdint>
#include <functional>

namespace canal {

// Calls work(chunk) once for 0, 1, ..., chunks - 1, on up to `num_threads` threads (0: every core),
// this one among them. Chunks are begun in their order, so where some throw, the error that comes
// out is the lowest chunk's, for any number of threads.
void for_each_chunk(int64_t chunks, int num_threads, const std::function<void(int64_t)>& work);

}  // namespace canal
