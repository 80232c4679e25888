// Which BLAS LibTorch runs on, found out at run time.
#pragma once
#include <string>

namespace canal {

struct BlasFunctions {
  std::string kind;  // "mkl", "openblas-openmp", "openblas-pthread", "openblas-serial", "unknown"
  std::string library;  // file of the matrix product; empty where it cannot be told
  // Of OpenBLAS, else null.
  void (*set_threads)(int) = nullptr;
  int (*get_threads)() = nullptr;
  // One of the buffers that it multiplies in, of which it keeps those that are given back.
  void* (*take_buffer)(int) = nullptr;  // asks for ever where there is no memory; of 0
  void (*give_buffer)(void*) = nullptr;
};

const BlasFunctions& blas_functions();

}  // namespace canal
