// Training of one stage (METHODS section 4). R owns the epochs; this owns batches and tensors.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/array.h"
#include "engine/control.h"
#include "engine/descent.h"
#include "engine/network.h"

namespace canal {

enum class Trainable {
  all,    // every parameter: for a network that was never trained
  stage,  // final norm, layer depth - 2 and the head: METHODS section 4
  head    // the head alone
};

// Where the frozen layers' output of every cell is kept between epochs.
struct CacheOptions {
  bool enabled = false;
  int64_t memory = 0;  // bytes; what is more goes to a file
  std::string folder;  // for that file
};

struct TrainerOptions : DescentOptions {
  Trainable trainable;
  double label_smoothing;
  double distillation;    // lambda_eff; 0 without an old model
  double dropped_tokens;  // most of a cell's tokens that a step may set to 0, as a share; 0: none
  bool learn_positions;   // with Trainable::all: the position table too, unless it is gene2vec's
  int64_t new_positions = 0;  // of the last genes, whose rows of that table learn in any case
  CacheOptions cache;
};

struct StageData {
  TokenView tokens;
  std::vector<int32_t> labels;  // 0-based type per cell
};

// Means over the cells.
struct Losses {
  double classification;
  double distillation;
  double total;
};

struct Validation {
  double loss;                     // label-smoothed cross-entropy, mean over the cells
  std::vector<int32_t> predicted;  // 0-based type per cell
};

class StageTrainer {
 public:
  // Copies what it needs of `training`. With options.distillation > 0, `old_weights` are those of
  // the previous stage, whose embeddings are computed once here and stay fixed.
  StageTrainer(const Weights& weights, const Weights* old_weights, const StageData& training,
               const TrainerOptions& options, Control& control);
  ~StageTrainer();

  // One epoch over a fresh permutation of the cells (or their given order).
  Losses train_epoch(double learning_rate, bool shuffle, Control& control);
  Validation validate(const StageData& data, Control& control) const;

  // Why not everything is kept that CacheOptions allow; "" where it is.
  std::string cache_problem() const;

  Weights weights() const;
  // Gradients of the first batch at the present weights, by published name; changes nothing.
  Weights gradients();

  // The best weights so far are kept inside; `best_weights` are the current ones before any call.
  void keep_best();
  Weights best_weights() const;

  TrainingState state() const;
  void restore(const TrainingState& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canal
