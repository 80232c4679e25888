#include "engine/runtime/blas.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace canal {

namespace {

// A symbol as libtorch_cpu itself resolves it: R loads packages with RTLD_LOCAL, so the
// process-wide search would miss LibTorch's BLAS or find R's.
void* torch_symbol(const char* name) {
  Dl_info place;
  if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &place) == 0) return nullptr;
  void* library = dlopen(place.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  void* symbol = dlsym(library, name);
  dlclose(library);
  return symbol;
}

std::string openblas_kind(int parallel) {
  if (parallel == 2) return "openblas-openmp";
  return parallel == 1 ? "openblas-pthread" : "openblas-serial";
}

BlasFunctions find_blas() {
  BlasFunctions found{"unknown", nullptr, nullptr};
  if (at::hasMKL()) {
    found.kind = "mkl";
    return found;
  }
  auto parallel = reinterpret_cast<int (*)()>(torch_symbol("openblas_get_parallel"));
  if (parallel == nullptr) return found;
  found.kind = openblas_kind(parallel());
  found.set_threads = reinterpret_cast<void (*)(int)>(torch_symbol("openblas_set_num_threads"));
  found.get_threads = reinterpret_cast<int (*)()>(torch_symbol("openblas_get_num_threads"));
  return found;
}

}  // namespace

const BlasFunctions& blas_functions() {
  static const BlasFunctions functions = find_blas();
  return functions;
}

}  // namespace canal
