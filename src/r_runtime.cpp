// Glue: facts about the machine.
#include "engine/runtime.h"

#include "engine/digest.h"
#include "r_compute.h"
#include "r_convert.h"
#include "r_glue.h"

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_runtime_info() {
  return glue::guarded([] {
    const canal::RuntimeInfo info = canal::runtime_info();
    return Rcpp::List::create(Rcpp::_["libtorch"] = info.libtorch, Rcpp::_["hdf5"] = info.hdf5,
                              Rcpp::_["blas"] = info.blas, Rcpp::_["cores"] = info.cores,
                              Rcpp::_["cuda"] = info.cuda,
                              Rcpp::_["kernels"] = glue::text_to_r(canal::available_kernels()));
  });
}

// [[Rcpp::export(rng = false)]]
bool cpp_interrupt_pending() { return glue::interrupt_pending(); }

// gflops is NA where nothing was measured.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_blas_report() {
  return glue::guarded([] {
    const canal::BlasReport& report = canal::blas_report();
    return Rcpp::List::create(Rcpp::_["kind"] = report.kind, Rcpp::_["library"] = report.library,
                              Rcpp::_["gflops"] = report.gflops > 0 ? report.gflops : NA_REAL,
                              Rcpp::_["slow"] = report.slow);
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::CharacterVector cpp_loaded_libtorch() {
  return glue::guarded([] { return glue::text_to_r(canal::loaded_libtorch()); });
}

// What compute_on() stands for on this machine: the kernels, and the numbers that they multiply.
// [[Rcpp::export(rng = false)]]
Rcpp::CharacterVector cpp_kernels(Rcpp::List compute) {
  return glue::guarded([&] {
    const canal::Compute asked = glue::compute_from_r(compute);
    return Rcpp::CharacterVector::create(
        Rcpp::_["kernels"] = canal::kernels_for(asked),
        Rcpp::_["numbers"] = canal::reduces_products(asked) ? "bfloat16" : "float32");
  });
}

// For the tests: see LibrarySettings.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_library_settings() {
  const canal::LibrarySettings s = canal::library_settings();  // as they are, which a guard changes
  return glue::guarded([&] {
    return Rcpp::List::create(
        Rcpp::_["openmp_threads"] = s.openmp_threads, Rcpp::_["blas_threads"] = s.blas_threads,
        Rcpp::_["number_type"] = s.number_type, Rcpp::_["gradients"] = s.gradients,
        Rcpp::_["deterministic"] = s.deterministic,
        Rcpp::_["flushes_denormals"] = s.flushes_denormals, Rcpp::_["rounding"] = s.rounding,
        Rcpp::_["generator"] = std::to_string(s.generator));
  });
}

// Bytes.
// [[Rcpp::export(rng = false)]]
double cpp_free_memory() { return static_cast<double>(canal::free_memory()); }

// A short text that other bytes would change.
// [[Rcpp::export(rng = false)]]
std::string cpp_digest(Rcpp::RawVector bytes) {
  canal::Digest digest;
  digest.add(bytes.begin(), static_cast<size_t>(bytes.size()));
  return digest.text();
}
