// The network as the outside sees it: weights in, numbers out (METHODS sections 2 and 5).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/array.h"
#include "engine/compute.h"
#include "engine/control.h"

namespace canal {

// Sizes of a network. Letters are those of the papers and of every shape comment in src/engine/nn.
struct NetworkSizes {
  int64_t tokens;      // T: rows of the token table, n_bins + 2
  int64_t positions;   // N: genes + 1
  int64_t dim;         // D
  int64_t depth;       // L
  int64_t heads;       // H
  int64_t head_width;  // E
  int64_t features;    // M
  int64_t ff_width;    // F, 4 D in the published models
  int64_t fc1;         // 128 (CANAL) or 512 (scBERT); 0 without a classification head
  int64_t fc2;         // 64 or 128; 0 without a classification head
  int64_t types;       // K; 0 without a classification head
  bool mlm_head;       // has the pre-training head Linear(D, T)
};

// Reads every size from the shapes; throws ErrorKind::sizes where they contradict each other.
NetworkSizes sizes_of(const Weights& weights);

// How random weights are drawn.
struct InitialisationOptions {
  double token_sd;     // sd of the token table's entries
  double position_sd;  // sd of the position table's, its last row zero
  uint64_t seed;
};

// Weights of an untrained network: the encoder, and the heads that `sizes` names.
Weights initial_weights(const NetworkSizes& sizes, const InitialisationOptions& options);

// How an untrained classification head starts.
enum class HeadStart {
  uniform,    // every layer uniform, as PyTorch has it: for a pre-trained encoder
  expression  // reads the tokens' expression: for an encoder that was never trained
};

// Replaces the pre-training head by (or adds) an untrained classification head.
void add_classification_head(Weights& weights, int64_t fc1, int64_t fc2, int64_t types,
                             HeadStart start, uint64_t seed);

// Appends rows for new types to fc3; old rows are kept as they are (METHODS section 4).
void grow_types(Weights& weights, int64_t types, uint64_t seed);

// Keeps the position rows `genes0` (ascending, counted from 0) and the closing row.
void cut_positions(Weights& weights, const std::vector<int64_t>& genes0);

// Adds genes behind those there are, in front of the closing token: `rows` (added x D) join the
// position table, and columns of zeros the head's first layer, if there is one.
void grow_positions(Weights& weights, const FloatArray& rows);

// Replaces the position table's gene rows by `table` (genes x D), leaving the closing row zero.
void set_positions(Weights& weights, const FloatArray& table);

enum class Output { encodings, mlm, manifold, embedding, logits };

struct ForwardOptions {
  std::vector<Output> outputs;
  int num_threads;
};

class Network {
 public:
  Network(Weights weights, const Compute& compute);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  const NetworkSizes& sizes() const;

  // One array per requested output, in that order: encodings cells x N x D, mlm cells x N x T,
  // manifold cells x fc1, embedding cells x fc2, logits cells x K. Every cell goes through the
  // network by itself, so its numbers do not depend on the others, to the last bit.
  std::vector<FloatArray> forward(const TokenView& tokens, const ForwardOptions& options,
                                  Control& control) const;

  // Mixed-cell logits of METHODS section 5 from manifolds: fc2, relu, fc3. manifold: cells x fc1.
  FloatArray classify_manifold(const FloatArray& manifold) const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace canal
