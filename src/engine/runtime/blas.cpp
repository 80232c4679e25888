#include "engine/runtime/blas.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace canal {

namespace {

// The file that an address was loaded from; empty where nobody knows.
std::string file_of(const void* address) {
  Dl_info place;
  return address != nullptr && dladdr(address, &place) != 0 ? place.dli_fname : "";
}

// A symbol of a library or of one that it needs.
void* symbol_in(const std::string& file, const char* name) {
  void* library = file.empty() ? nullptr : dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  void* symbol = dlsym(library, name);
  dlclose(library);
  return symbol;
}

void* torch_symbol(const char* name) {
  return symbol_in(file_of(reinterpret_cast<void*>(&at::get_num_threads)), name);
}

// The matrix product that LibTorch calls. With ELF the whole process's symbols come first, those of
// R's BLAS among them, then those of the package's own libraries; macOS binds to one library.
void* product_of_torch() {
#ifndef __APPLE__
  if (void* symbol = dlsym(RTLD_DEFAULT, "sgemm_")) return symbol;
#endif
  return torch_symbol("sgemm_");
}

std::string openblas_kind(int parallel) {
  if (parallel == 2) return "openblas-openmp";
  return parallel == 1 ? "openblas-pthread" : "openblas-serial";
}

// What OpenBLAS exports is looked for beside the product: LAPACK may come from OpenBLAS while BLAS
// does not.
BlasFunctions find_blas() {
  const std::string library = file_of(product_of_torch());
  BlasFunctions found;
  found.kind = "unknown";
  found.library = library;
  if (at::hasMKL()) {
    found.kind = "mkl";
    return found;
  }
  auto parallel = reinterpret_cast<int (*)()>(symbol_in(library, "openblas_get_parallel"));
  if (parallel == nullptr) return found;
  found.kind = openblas_kind(parallel());
  found.set_threads =
      reinterpret_cast<void (*)(int)>(symbol_in(library, "openblas_set_num_threads"));
  found.get_threads = reinterpret_cast<int (*)()>(symbol_in(library, "openblas_get_num_threads"));
  found.take_buffer = reinterpret_cast<void* (*)(int)>(symbol_in(library, "blas_memory_alloc"));
  found.give_buffer = reinterpret_cast<void (*)(void*)>(symbol_in(library, "blas_memory_free"));
  return found;
}

}  // namespace

const BlasFunctions& blas_functions() {
  static const BlasFunctions functions = find_blas();
  return functions;
}

}  // namespace canal
