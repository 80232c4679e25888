// Facts about the machine and the libraries the engine runs on.
#pragma once
#include <string>

namespace canal {

struct RuntimeInfo {
  std::string libtorch;  // "1.13.1"
  std::string hdf5;      // "1.10.8"
  std::string blas;      // "openblas-openmp", "openblas-pthread", "mkl", "unknown", ...
  int cores;             // this process may use
  bool cuda;             // LibTorch has CUDA and sees a device
};

RuntimeInfo runtime_info();

// Threads to use when the caller named none (0) or n: never more than the cores, and one in a
// forked child, where OpenMP's pool of the parent is gone and would be waited for.
int usable_threads(int requested);

}  // namespace canal
