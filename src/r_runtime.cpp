// Glue: facts about the machine.
#include "engine/runtime.h"

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

// Bytes.
// [[Rcpp::export(rng = false)]]
double cpp_free_memory() { return static_cast<double>(canal::free_memory()); }

// A short text that other bytes would change (FNV-1a, 64 bits; no protection against intent).
// [[Rcpp::export(rng = false)]]
std::string cpp_digest(Rcpp::RawVector bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}
