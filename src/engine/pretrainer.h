// Pre-training by masked tokens (METHODS section 3). R owns epochs and where cells come from; this
// owns mini-batches, masks and tensors.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/array.h"
#include "engine/control.h"
#include "engine/descent.h"

namespace canal {

struct PretrainerOptions : DescentOptions {
  double masked_share;    // of a cell's tokens that are not 0, rounded up, which are predicted
  double replaced_share;  // of those, become the mask token with this probability; others stay
  double zeros;           // tokens that are 0 and predicted too, for each of the others
  // Weight of each token's cross-entropy, one per kind of token; empty for equal ones.
  std::vector<double> token_weights;
  bool learn_positions;  // not where they are gene2vec's
};

// Sums over predicted tokens, so that blocks of cells can be put together.
struct MaskedSums {
  double loss = 0;     // cross-entropy times weight
  double weight = 0;   // of the tokens
  int64_t right = 0;   // tokens whose likeliest prediction is true
  int64_t chosen = 0;  // tokens
  // Of each kind of token: how many were chosen, and how many of those were right.
  std::vector<int64_t> chosen_by_token, right_by_token;
};

class Pretrainer {
 public:
  Pretrainer(const Weights& weights, const PretrainerOptions& options);
  ~Pretrainer();

  // Steps over the cells in the given order, each of batch_size * accumulation of them (the last of
  // what is left).
  MaskedSums train(const TokenView& cells, double learning_rate, Control& control);
  // `seed` decides what is masked.
  MaskedSums validate(const TokenView& cells, uint64_t seed, Control& control) const;

  Weights weights() const;
  // Gradients of the first mini-batch at the present weights, with the masks that train() would
  // draw next; by published name, changes nothing.
  Weights gradients(const TokenView& cells);

  void keep_best();
  Weights best_weights() const;
  TrainingState state() const;
  void restore(const TrainingState& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canal
