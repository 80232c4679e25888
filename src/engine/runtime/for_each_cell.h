// Cells side by side: a thread takes a cell at a time, and the operators inside it run on that thread
// alone. For the sizes of this network that scales with the cores where one cell on many threads does not,
// and a cell's numbers depend neither on its neighbours nor on the number of threads.
#pragma once
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <cstdint>

namespace canal {

// Calls work(cell) for 0, 1, ..., cells - 1, without gradients. The first exception ends it and is thrown.
template <class Work>
void for_each_cell(int64_t cells, const Work& work) {
  at::parallel_for(0, cells, 1, [&](int64_t first, int64_t last) {
    const c10::NoGradGuard no_grad;
    for (int64_t cell = first; cell < last; ++cell) work(cell);
  });
}

}  // namespace canal
