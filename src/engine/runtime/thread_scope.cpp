#include "engine/runtime/thread_scope.h"

#include <ATen/Parallel.h>
#if AT_PARALLEL_OPENMP
#include <omp.h>
#endif

#include "engine/runtime.h"
#include "engine/runtime/blas.h"

namespace canal {

namespace {

bool has_own_pool(const BlasFunctions& blas) {
  return blas.kind == "openblas-pthread" && blas.set_threads != nullptr &&
         blas.get_threads != nullptr;
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

}  // namespace

// Asking LibTorch first lets it set the thread up, which it does once.
ThreadScope::ThreadScope(int requested) : torch_before_(at::get_num_threads()), blas_before_(0) {
  set_torch_threads(usable_threads(requested));
  const BlasFunctions& blas = blas_functions();
  if (!has_own_pool(blas)) return;
  blas_before_ = blas.get_threads();
  blas.set_threads(1);
}

ThreadScope::~ThreadScope() {
  set_torch_threads(torch_before_);
  if (blas_before_ > 0) blas_functions().set_threads(blas_before_);
}

}  // namespace canal
