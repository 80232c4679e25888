// What compute_on() in R gives: device, precision, kernels.
#pragma once
#include <Rcpp.h>

#include "engine/compute.h"
#include "engine/errors.h"

namespace glue {

inline canal::Precision precision_named(const std::string& name) {
  if (name == "auto") return canal::Precision::automatic;
  if (name == "float32") return canal::Precision::float32;
  if (name == "bfloat16") return canal::Precision::bfloat16;
  throw canal::Error(canal::ErrorKind::input, "There is no precision \"" + name + "\".");
}

inline canal::Compute compute_from_r(Rcpp::List compute) {
  return {Rcpp::as<std::string>(compute["device"]),
          precision_named(Rcpp::as<std::string>(compute["precision"])),
          Rcpp::as<std::string>(compute["kernels"])};
}

}  // namespace glue
