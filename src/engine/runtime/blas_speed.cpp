#include "engine/runtime/blas_speed.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>

#include "engine/runtime.h"
#include "engine/runtime/blas.h"
#include "engine/runtime/thread_scope.h"

namespace canal {

namespace {

constexpr double slow_gflops = 15;
constexpr int64_t side = 256;  // 34 MFLOP: 7 ms on reference BLAS
constexpr int attempts = 3;    // as another process may have held the core during one

double product_gflops(const at::Tensor& a) {
  const auto start = std::chrono::steady_clock::now();
  const at::Tensor product = at::mm(a, a);  // side x side
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return 2.0 * side * side * side / seconds.count() / 1e9;
}

// The best attempt; the first that is fast settles it.
double measure_gflops() {
  const c10::NoGradGuard no_grad;
  const ThreadScope one_thread(1);
  const at::Tensor a = at::ones({side, side}, at::kFloat);
  double best = 0;
  for (int i = 0; i < attempts && best < slow_gflops; ++i) best = std::max(best, product_gflops(a));
  return best;
}

BlasReport make_report() {
  const BlasFunctions& blas = blas_functions();
  const double gflops = blas.kind == "unknown" ? measure_gflops() : 0;
  return {blas.kind, blas.library, gflops, is_slow_blas(blas.kind, gflops)};
}

}  // namespace

bool is_slow_blas(const std::string& kind, double gflops) {
  return kind == "unknown" && gflops < slow_gflops;
}

const BlasReport& blas_report() {
  static const BlasReport report = make_report();
  return report;
}

}  // namespace canal
