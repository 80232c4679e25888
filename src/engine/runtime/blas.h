// Which BLAS LibTorch runs on, found out at run time.
#pragma once
#include <string>

namespace canal {

struct BlasFunctions {
  std::string kind;  // "mkl", "openblas-openmp", "openblas-pthread", "openblas-serial", "unknown"
  std::string library;       // file of the matrix product; empty where it cannot be told
  void (*set_threads)(int);  // OpenBLAS only, else null
  int (*get_threads)();
};

const BlasFunctions& blas_functions();

}  // namespace canal
