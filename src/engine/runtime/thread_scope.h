// The number of threads LibTorch uses, for as long as an engine function runs.
#pragma once
#include "engine/runtime.h"

namespace canal {

// Sets LibTorch's threads on construction and puts back what was there on destruction. Where
// OpenBLAS brings a spinning thread pool of its own (its pthread build), that pool is held at one
// thread meanwhile: two pools that spin for the same cores slow everything many times over.
class ThreadScope {
 public:
  explicit ThreadScope(int requested);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  const OneThread openmp_;  // first, as asking LibTorch for its threads changes OpenMP's
  int torch_before_;
  int blas_before_;
};

}  // namespace canal
