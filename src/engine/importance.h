// What a network looks at: how much of its attention every token of a cell gets (METHODS section 5,
// gene importance).
#pragma once
#include <memory>
#include <string>

#include "engine/array.h"
#include "engine/control.h"

namespace canal {

// Which map of a layer is looked at. The published program computes a layer's map after it has
// added the attention's output to the layer's input: not the map that made this output, but the one
// that the layer would make next.
enum class AttentionMap {
  published,  // of x + Attn(LN(x))
  used        // of x, by which the network computes
};

// The network of some weights, run to look at its attention. No heads are needed. It runs on
// LibTorch's operators in float32, whatever kernels there are: those keep no features to look at.
class AttentionReader {
 public:
  AttentionReader(Weights weights, const std::string& device);
  ~AttentionReader();
  AttentionReader(AttentionReader&&) noexcept;
  AttentionReader& operator=(AttentionReader&&) noexcept;

  // cells x N, the closing token last: the mean over layers, heads and queries n of the attention
  // map A[n, j] = phi_q[n] . phi_k[j] / (phi_q[n] . sum_i phi_k[i]). Every row sums to 1, and is a
  // cell's own to the last bit, whatever its batch and the number of threads.
  FloatArray shares(const TokenView& tokens, AttentionMap map, int num_threads,
                    Control& control) const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace canal
