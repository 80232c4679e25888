#include "engine/runtime/thread_scope.h"

#include <ATen/Parallel.h>

#include "engine/runtime.h"
#include "engine/runtime/blas.h"

namespace canal {

namespace {

bool has_own_pool(const BlasFunctions& blas) {
  return blas.kind == "openblas-pthread" && blas.set_threads != nullptr &&
         blas.get_threads != nullptr;
}

}  // namespace

ThreadScope::ThreadScope(int requested) : torch_before_(at::get_num_threads()), blas_before_(0) {
  at::set_num_threads(usable_threads(requested));
  const BlasFunctions& blas = blas_functions();
  if (!has_own_pool(blas)) return;
  blas_before_ = blas.get_threads();
  blas.set_threads(1);
}

ThreadScope::~ThreadScope() {
  at::set_num_threads(torch_before_);
  if (blas_before_ > 0) blas_functions().set_threads(blas_before_);
}

}  // namespace canal
