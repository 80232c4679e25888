// The encoder's layers on the CPU without LibTorch: what the tiers have in common.
//
// A tier is one set of instructions (AVX2, AVX-512, ...) with one kind of number in its products.
// All of them are the same templates (forward.h, backward.h) over a number format, so that they
// compute the same sums in the same order. LibTorch's operators (nn/attention.h, nn/encoder.h) are
// the oracle that each of them is tested against.
//
// Letters as in nn/parameters.h: N tokens of a cell, D width of the model, H heads, E width of a
// head, M random features, F inner width of the feed-forward part.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/control.h"

namespace canal {

struct LayerSizes {
  int64_t dim;         // D
  int64_t heads;       // H
  int64_t head_width;  // E
  int64_t features;    // M
  int64_t ff_width;    // F
};

// A layer's parameters, or the place for their gradients. Row-major float32, shapes as in
// nn/parameters.h. The projection never has a gradient.
template <class Number>
struct LayerArrays {
  Number *norm1_weight, *norm1_bias;  // D
  Number* projection;                 // M x E
  Number *to_q, *to_k, *to_v;         // H*E x D
  Number *to_out, *to_out_bias;       // D x H*E, D
  Number *norm2_weight, *norm2_bias;  // D
  Number *w1, *b1;                    // F x D, F
  Number *w2, *b2;                    // D x F, D
};
using LayerView = LayerArrays<const float>;
using LayerGradients = LayerArrays<float>;

// Calls work(0), ..., work(count - 1), in any order and on any threads.
using SpanLoop = std::function<void(int64_t count, const std::function<void(int64_t)>& work)>;

// One cell's way through the layers. Its tokens are cut into spans of fixed length that can be
// worked on side by side; their sums are added in order, so threads cannot change a bit.
class CellPass {
 public:
  virtual ~CellPass() = default;

  // Tokens `first` to `first + count` - 1 before the first layer. x: count x D.
  virtual void load(const float* x, int64_t first, int64_t count) = 0;
  // The same after the last finished layer.
  virtual void store(float* x, int64_t first, int64_t count) const = 0;

  // First half of a layer: its sums over the keys. Returns the cell's own stabiliser, max(P c k).
  virtual float keys(int64_t layer, const SpanLoop& loop, const Control& control) = 0;
  // Second half: the queries and the feed-forward part. `stabiliser`: what keys() returned, or that
  // of a whole batch.
  virtual void finish(int64_t layer, float stabiliser, const SpanLoop& loop,
                      const Control& control) = 0;

  // Backward, from the last layer to the first; only where the pass keeps what it needs.
  virtual void load_gradient(const float* dx) = 0;   // N x D, of the last layer's output
  virtual void store_gradient(float* dx) const = 0;  // N x D
  // First half of a layer: the feed-forward part and the queries. Returns the part of the
  // stabiliser's gradient that comes from this cell. `learns`: the second half will be given a
  // place for the gradients of the parameters.
  virtual double backward_queries(int64_t layer, bool learns, const Control& control) = 0;
  // Second half of the same layer: the keys and values. `stabiliser_gradient`: of all cells that
  // share the stabiliser. Adds the gradients of the layer's parameters to `gradients`, if it
  // learns.
  virtual void backward_keys(double stabiliser_gradient, const LayerGradients* gradients,
                             const Control& control) = 0;
};

enum class Keep { nothing, for_backward };

// Layers packed for one tier.
class EncoderKernel {
 public:
  virtual ~EncoderKernel() = default;
  virtual std::unique_ptr<CellPass> pass(int64_t tokens, Keep keep) const = 0;
  // Packs a layer anew, whose parameters have changed. No pass may be on its way.
  virtual void update(int64_t layer, const LayerView& view) = 0;
};

// Rows of a matrix that is zero but for some values.
struct SparseRows {
  const int64_t* starts;  // of each row's values; rows + 1
  const int32_t* column;
  const float* value;
};

// Row-major numbers, rows `stride` apart.
template <class Number>
struct StridedRows {
  Number* data;
  int64_t stride;
};

// Rows `first` to `last` - 1 of to (rows x width) = sparse rows times dense (columns x width),
// always in float32 and in the order of the values. It goes through `dense` in strips of so many
// columns; where that is large, it is faster to hand it over strip by strip, each packed.
using SparseProduct = void (*)(const SparseRows& rows, int64_t first, int64_t last,
                               const StridedRows<const float>& dense, int64_t width,
                               const StridedRows<float>& to);
constexpr int64_t sparse_strip_width = 64;

// to (rows x columns) = a (rows x depth) times b (depth x columns), in float32, on one thread.
// room: so many aligned numbers (buffer.h) as dense_product_room() says.
struct DenseOperand {
  const float* data;
  int64_t row_stride, depth_stride;  // so a matrix can be read as its transpose
};
using DenseProduct = void (*)(const DenseOperand& a, int64_t rows,
                              const StridedRows<const float>& b, int64_t depth, int64_t columns,
                              const StridedRows<float>& to, float* room);
constexpr int64_t dense_product_room(int64_t rows, int64_t depth, int64_t columns) {
  return depth * (rows + columns + 32);  // both filled up to whole tiles, of at most 16
}

// Adam's step of one parameter (train/optimiser.h), all its operators in one pass.
struct AdamArrays {
  float* parameter;
  const float* gradient;
  float *first, *second;  // moments
};
struct AdamNumbers {
  float beta1, rest1;  // and 1 - beta1
  float beta2, rest2;
  float eps, weight_decay;
  float size;  // the rate over its own correction
  float root;  // of the second moment's correction
};
using AdamStep = void (*)(const AdamArrays& arrays, int64_t count, const AdamNumbers& numbers);

// The end of the way back through a norm and a linear layer (cellular/first_layer.h), for some of
// the layer's inputs. Row-major, a row per input and a column per output.
struct NormLinearRows {
  const float* weight;
  float* gradient;             // sum_i v_ij dy_i; becomes that of the weight
  const float *shifted, *sum;  // sum_i m_i dy_i and sum_i dy_i, by output
  const float *gain, *bias;    // the norm's, by input
  float *gain_gradient, *bias_gradient;
};
using NormLinear = void (*)(const NormLinearRows& arrays, int64_t rows, int64_t width);

// What a tier offers; `make` packs (copies) the layers.
struct Tier {
  const char* name;
  bool reduced;  // products of bfloat16 numbers, summed in float32
  bool (*runs_here)();
  std::unique_ptr<EncoderKernel> (*make)(const LayerSizes&, const std::vector<LayerView>&, Keep);
  SparseProduct sparse;
  DenseProduct dense;
  AdamStep adam;
  NormLinear norm_linear;
};

// All tiers of this build, the fastest first.
const std::vector<Tier>& tiers();

}  // namespace canal
