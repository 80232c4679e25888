// Glue: facts about the machine.
#include "engine/runtime.h"

#include "r_glue.h"

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_runtime_info() {
  return glue::guarded([] {
    const canal::RuntimeInfo info = canal::runtime_info();
    return Rcpp::List::create(Rcpp::_["libtorch"] = info.libtorch, Rcpp::_["hdf5"] = info.hdf5,
                              Rcpp::_["blas"] = info.blas, Rcpp::_["cores"] = info.cores,
                              Rcpp::_["cuda"] = info.cuda);
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
