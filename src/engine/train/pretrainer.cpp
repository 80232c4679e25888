#include "engine/pretrainer.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <string>

#include "engine/errors.h"
#include "engine/nn/batch.h"
#include "engine/nn/operators.h"
#include "engine/nn/random.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/runtime/thread_scope.h"
#include "engine/train/cell_gradients.h"
#include "engine/train/descent.h"
#include "engine/train/mask.h"

namespace canal {

namespace {

// Of cells to validate on, whose masks are held at once.
constexpr int64_t cells_in_slice = 256;

void check_share(double value, const char* what) {
  if (!(value >= 0 && value <= 1))
    throw Error(ErrorKind::input, std::string(what) + " must lie in [0, 1].");
}

const PretrainerOptions& checked(const PretrainerOptions& options) {
  check_share(options.masked_share, "The share of masked tokens");
  check_share(options.replaced_share, "The share of replaced tokens");
  if (!(options.zeros >= 0)) throw Error(ErrorKind::input, "`zeros` must not be negative.");
  if (options.batch_stabiliser)
    throw Error(ErrorKind::input, "Pre-training knows each cell's own stabiliser only.");
  return options;
}

at::Tensor long_tensor(const std::vector<int64_t>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

void add(MaskedSums& sums, const MaskedSums& more) {
  sums.loss += more.loss;
  sums.weight += more.weight;
  sums.right += more.right;
  sums.chosen += more.chosen;
  // A part without a cell counts no tokens.
  sums.chosen_by_token.resize(std::max(sums.chosen_by_token.size(), more.chosen_by_token.size()));
  sums.right_by_token.resize(sums.chosen_by_token.size());
  for (size_t t = 0; t < more.chosen_by_token.size(); ++t) {
    sums.chosen_by_token[t] += more.chosen_by_token[t];
    sums.right_by_token[t] += more.right_by_token[t];
  }
}

// The workers' sums as one. Every count is far below 2^53.
MaskedSums over_team(const Descent& descent, const MaskedSums& own, size_t kinds,
                     const Control& control) {
  std::vector<double> all{own.loss, own.weight, static_cast<double>(own.right),
                          static_cast<double>(own.chosen)};
  for (const auto* counts : {&own.chosen_by_token, &own.right_by_token}) {
    std::vector<double> wide(counts->begin(), counts->end());
    wide.resize(kinds, 0);  // a worker without a cell has none
    all.insert(all.end(), wide.begin(), wide.end());
  }
  descent.sum_over_team(all, control);
  MaskedSums sums{all[0], all[1], static_cast<int64_t>(all[2]), static_cast<int64_t>(all[3]),
                  {},     {}};
  sums.chosen_by_token.assign(all.begin() + 4, all.begin() + 4 + kinds);
  sums.right_by_token.assign(all.begin() + 4 + kinds, all.end());
  return sums;
}

}  // namespace

struct Pretrainer::Impl {
  Impl(const Weights& weights, const PretrainerOptions& opts)
      : options(checked(opts)),
        network(weights, {Trainable::all, opts.learn_positions, 0, true}, opts),
        descent(network, opts) {
    const size_t kinds = static_cast<size_t>(network.sizes().tokens);
    if (options.token_weights.empty()) options.token_weights.assign(kinds, 1.0);
    if (options.token_weights.size() != kinds)
      throw Error(ErrorKind::sizes, "Expected a weight for each of " + std::to_string(kinds) +
                                        " kinds of token, got " +
                                        std::to_string(options.token_weights.size()) + ".");
  }

  std::vector<MaskedCell> masked(const TokenView& view, const Cells& cells,
                                 at::Generator& generator) const;
  double weight_of(const MaskedCell& cell) const;
  at::Tensor summed_loss(const at::Tensor& top, const MaskedCell& cell, MaskedSums& sums) const;
  GradientList differentiate(const std::vector<MaskedCell>& cells, MaskedSums& sums,
                             const Control& control) const;

  PretrainerOptions options;
  TrainedNetwork network;
  Descent descent;
};

// Drawn cell by cell before anything is computed, so that threads cannot change a mask.
std::vector<MaskedCell> Pretrainer::Impl::masked(const TokenView& view, const Cells& cells,
                                                 at::Generator& generator) const {
  const int64_t kinds = network.sizes().tokens;
  const MaskOptions how{options.masked_share, options.replaced_share, options.zeros, kinds - 1};
  std::vector<MaskedCell> out;
  for (const int64_t cell : cells) {
    // The mask token itself is none of a cell's.
    const at::Tensor tokens = token_batch(view, {cell}, network.sizes().positions, kinds - 1);
    out.push_back(mask_cell(tokens, how, generator));
  }
  return out;
}

double Pretrainer::Impl::weight_of(const MaskedCell& cell) const {
  double sum = 0;
  for (const int64_t token : cell.truth) sum += options.token_weights[token];
  return sum;
}

// The weighted sum of the chosen tokens' cross-entropies. top: 1 x N x D, after all layers.
at::Tensor Pretrainer::Impl::summed_loss(const at::Tensor& top, const MaskedCell& cell,
                                         MaskedSums& sums) const {
  const at::Tensor places = long_tensor(cell.places).to(network.device());
  const at::Tensor truth = long_tensor(cell.truth).to(network.device());
  const at::Tensor logits =
      network.token_logits(top.select(0, 0).index_select(0, places));  // n x T
  const at::Tensor own = at::log_softmax(logits, 1).gather(1, truth.unsqueeze(1)).squeeze(1);  // n
  at::Tensor weights = at::empty({truth.size(0)}, at::kFloat);
  for (size_t i = 0; i < cell.truth.size(); ++i)
    weights.data_ptr<float>()[i] = static_cast<float>(options.token_weights[cell.truth[i]]);
  const at::Tensor loss = -(own * weights.to(network.device())).sum();
  const at::Tensor predicted = at::argmax(logits.detach(), 1).to(at::kCPU);  // n
  const int64_t* guess = predicted.data_ptr<int64_t>();
  MaskedSums one{loss.item<double>(), weight_of(cell), 0, truth.size(0), {}, {}};
  one.chosen_by_token.assign(options.token_weights.size(), 0);
  one.right_by_token = one.chosen_by_token;
  for (size_t i = 0; i < cell.truth.size(); ++i) {
    const bool right = guess[i] == cell.truth[i];
    one.right += right;
    one.chosen_by_token[cell.truth[i]] += 1;
    one.right_by_token[cell.truth[i]] += right;
  }
  add(sums, one);
  return loss;
}

// The gradients of the mean over the step's mini-batches of each one's mean loss per chosen token.
GradientList Pretrainer::Impl::differentiate(const std::vector<MaskedCell>& cells, MaskedSums& sums,
                                             const Control& control) const {
  const int64_t count = static_cast<int64_t>(cells.size());
  const int64_t batches = (count + options.batch_size - 1) / options.batch_size;
  std::vector<double> weight(batches, 0);
  for (int64_t i = 0; i < count; ++i) weight[i / options.batch_size] += weight_of(cells[i]);
  std::vector<MaskedSums> parts(cells.size());
  GradientList total = descent.sum_of(
      count,
      [&](int64_t i) {
        const double share =
            1 / (std::max(weight[i / options.batch_size], 1e-30) * static_cast<double>(batches));
        const LossOf loss = [&, i, share](const at::Tensor& top) {
          return summed_loss(top, cells[i], parts[i]) * share;
        };
        return gradients_of_cell(
            network, network.enter(cells[i].tokens.to(network.device()), control), loss, control);
      },
      control);
  for (const MaskedSums& part : parts) add(sums, part);
  return total;
}

Pretrainer::Pretrainer(const Weights& weights, const PretrainerOptions& options)
    : impl_(new Impl(weights, options)) {}
Pretrainer::~Pretrainer() = default;

MaskedSums Pretrainer::train(const TokenView& view, double learning_rate, Control& control) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  control.total = view.cells;
  MaskedSums sums;
  const Cells order = cell_range(0, view.cells, view.cells);
  for (const Cells& cells : split(order, self.options.batch_size * self.options.accumulation)) {
    const int64_t count = static_cast<int64_t>(cells.size());
    self.descent.redraw_if_due((count + self.options.batch_size - 1) / self.options.batch_size);
    const std::vector<MaskedCell> masked = self.masked(view, cells, self.descent.generator());
    self.descent.step(self.differentiate(masked, sums, control), learning_rate);
    control.done += count;
  }
  return over_team(self.descent, sums, self.options.token_weights.size(), control);
}

MaskedSums Pretrainer::validate(const TokenView& view, uint64_t seed, Control& control) const {
  const Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  control.total = view.cells;
  at::Generator generator = make_generator(seed);
  MaskedSums sums;
  for (const Cells& cells : split(cell_range(0, view.cells, view.cells), cells_in_slice)) {
    const std::vector<MaskedCell> masked = self.masked(view, cells, generator);
    std::vector<MaskedSums> parts(masked.size());
    const Descent::Share own = self.descent.own_share(static_cast<int64_t>(masked.size()));
    for_each_cell(own.last - own.first, Gradients::off, [&](int64_t k) {
      const int64_t i = own.first + k;
      const at::Tensor x = self.network.enter(masked[i].tokens.to(self.network.device()), control);
      self.summed_loss(self.network.pass_through(x, control), masked[i], parts[i]);
      ++control.done;
    });
    for (const MaskedSums& part : parts) add(sums, part);
  }
  return over_team(self.descent, sums, self.options.token_weights.size(), control);
}

Weights Pretrainer::weights() const { return impl_->network.weights(); }

Weights Pretrainer::gradients(const TokenView& view) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  at::Generator generator = copy_of(self.descent.generator());
  const Control control;
  MaskedSums sums;
  const GradientList first = self.differentiate(
      self.masked(view, cell_range(0, self.options.batch_size, view.cells), generator), sums,
      control);
  return named(self.network, first);
}

void Pretrainer::keep_best() { impl_->descent.keep_best(); }
Weights Pretrainer::best_weights() const { return impl_->descent.best(); }
TrainingState Pretrainer::state() const { return impl_->descent.state(); }
void Pretrainer::restore(const TrainingState& state) { impl_->descent.restore(state); }

}  // namespace canal
