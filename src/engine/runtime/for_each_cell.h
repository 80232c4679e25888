// Cells side by side: a thread takes a cell at a time, and the operators inside it run on that
// thread alone. For the sizes of this network that scales with the cores where one cell on many
// threads does not, and a cell's numbers depend neither on its neighbours nor on the number of
// threads.
#pragma once
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdint>

namespace canal {

// Calls work(cell) for 0, 1, ..., cells - 1. The first exception ends it and is thrown. Whether
// operators record gradients is a thread's own affair, so it is said here.
enum class Gradients { off, on };

template <class Work>
void for_each_cell(int64_t cells, Gradients gradients, const Work& work) {
  // One cell alone would not make LibTorch open a parallel region: its operators would then be
  // shared out after all, and its sums end in other bits. A place that stays empty keeps it one.
  const int64_t places = std::max<int64_t>(cells, 2);
  at::parallel_for(0, places, 1, [&](int64_t first, int64_t last) {
    const c10::AutoGradMode mode(gradients == Gradients::on);
    for (int64_t cell = first; cell < std::min(last, cells); ++cell) work(cell);
  });
}

// LibTorch's operators in `work` run on one thread: it cuts long ones anywhere, also those that go
// number by number, and at a cut numbers that are multiplied and added round differently.
template <class Work>
void on_one_thread(const Work& work, Gradients gradients = Gradients::off) {
  for_each_cell(1, gradients, [&](int64_t) { work(); });
}

}  // namespace canal
