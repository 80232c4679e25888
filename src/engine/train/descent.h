// How weights move, whatever they are of and trained towards: the optimiser, the random numbers and
// the best weights so far.
#pragma once
#include <ATen/core/Generator.h>

#include <functional>

#include "engine/control.h"
#include "engine/descent.h"
#include "engine/train/learner.h"
#include "engine/train/optimiser.h"

namespace canal {

using Cells = std::vector<int64_t>;

// Pieces of `size` cells, the last one shorter.
std::vector<Cells> split(const Cells& cells, int64_t size);

class Descent {
 public:
  // `learner` must outlive this. fused: as Optimiser has it.
  Descent(Learner& learner, const DescentOptions& options, AdamStep fused = nullptr);

  const DescentOptions& options() const { return options_; }
  at::Generator& generator() { return generator_; }

  // To be called before a step of so many mini-batches: draws what is random anew where that is
  // due, and says so.
  bool redraw_if_due(int64_t mini_batches);
  // Those of `cells` that are this worker's: first, and behind the last. All without a team.
  struct Share {
    int64_t first, last;
  };
  Share own_share(int64_t cells) const;
  // The sum over all workers, in place.
  void sum_over_team(std::vector<double>& values, const Control& control) const;
  void sum_over_team(std::vector<float>& values, const Control& control) const;

  // The sum of what work(0), ..., work(cells - 1) return, several of them side by side, over all
  // workers. Each calls `work` for its own share.
  using CellWork = std::function<GradientList(int64_t)>;
  GradientList sum_of(int64_t cells, const CellWork& work, const Control& control) const;
  void step(GradientList gradients, double learning_rate);

  void keep_best() { best_ = learner_.weights(); }
  const Weights& best() const { return best_; }

  TrainingState state() const;
  void restore(const TrainingState& state);

 private:
  GradientList summed_over_team(GradientList own, const Control& control) const;

  DescentOptions options_;
  Learner& learner_;
  Optimiser optimiser_;
  at::Generator generator_;
  int64_t passes_since_redraw_ = 0;
  Weights best_;
};

}  // namespace canal
