// On what, and with what numbers, the encoder is computed.
#pragma once
#include <string>
#include <vector>

namespace canal {

enum class Precision {
  automatic,  // bfloat16 products where the device multiplies those faster, else float32
  float32,
  bfloat16  // products of bfloat16 numbers; sums, norms and softmax in float32
};

struct Compute {
  std::string device = "cpu";  // or "cuda", where LibTorch has it
  Precision precision = Precision::automatic;
  std::string kernels;  // "" for the fastest; "libtorch", or the name of a tier: for tests
};

// The kernels that `compute` stands for here: "libtorch" or a tier's name. Throws ErrorKind::input
// where this machine or this build does not have what was asked for.
std::string kernels_for(const Compute& compute);

// Whether its products are of bfloat16 numbers, else of float32.
bool reduces_products(const Compute& compute);

// All that this machine can run, the fastest first, "libtorch" last.
std::vector<std::string> available_kernels();

}  // namespace canal
