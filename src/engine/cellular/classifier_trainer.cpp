#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "engine/cellular/checks.h"
#include "engine/cellular/classifier.h"
#include "engine/errors.h"
#include "engine/nn/batch.h"
#include "engine/nn/operators.h"
#include "engine/nn/random.h"
#include "engine/runtime/thread_scope.h"
#include "engine/train/descent.h"
#include "engine/train/losses.h"

namespace canal {

namespace {

const ClassifierOptions& checked(const ClassifierOptions& options) {
  check_whole_batches(options);
  check_dropout(options.dropout);
  if (options.batch_size < 2)
    throw Error(ErrorKind::input, "A mini-batch of the classifier needs at least two cells.");
  return options;
}

class TrainedClassifier : public Learner {
 public:
  explicit TrainedClassifier(const Weights& given)
      : widths_(classifier_widths(given)), parameters_(to_classifier(given, widths_)) {
    visit_classifier(parameters_, widths_,
                     [&](const std::string& name, at::Tensor& tensor, const Shape&) {
                       all_.emplace_back(name, tensor);
                       if (is_running_statistic(name)) return;
                       tensor.requires_grad_(true);
                       trainable_.emplace_back(name, tensor);
                     });
  }

  const ClassifierWidths& widths() const { return widths_; }
  const ClassifierParameters& parameters() const { return parameters_; }

  Weights weights() const override {
    Weights weights;
    for (const auto& [name, tensor] : all_) weights.emplace_back(name, to_array(tensor));
    return weights;
  }

  void set_weights(const Weights& weights) override {
    const c10::NoGradGuard no_grad;
    for (auto& [name, tensor] : all_)
      tensor.copy_(to_tensor(weight_of(weights, name, tensor.sizes().vec())));
  }

 private:
  ClassifierWidths widths_;
  ClassifierParameters parameters_;
  NamedTensors all_;  // with the running means and variances
};

at::Tensor long_tensor(const std::vector<int64_t>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

// A batch norm over one cell is 0: a last cell that is alone joins those before it.
std::vector<Cells> batches_of(const Cells& order, int64_t size) {
  if (order.size() < 2)
    throw Error(ErrorKind::input, "The classifier needs at least two cells to train on.");
  std::vector<Cells> batches = split(order, size);
  if (batches.back().size() == 1) {
    const int64_t last = batches.back()[0];
    batches.pop_back();
    batches.back().push_back(last);
  }
  return batches;
}

// Sums over cells.
struct Sums {
  double loss = 0;
  int64_t right = 0;
};

}  // namespace

struct ClassifierTrainer::Impl {
  Impl(const Weights& weights, const FloatArray& embedding, const std::vector<int32_t>& types,
       const ClassifierOptions& opts)
      : options(checked(opts)),
        network(weights),
        descent(network, opts),
        cells(checked_cells(embedding, types)),
        labels(long_tensor({types.begin(), types.end()})) {}

  at::Tensor checked_cells(const FloatArray& embedding, const std::vector<int32_t>& types) const;
  at::Tensor losses_of(const at::Tensor& logits, const at::Tensor& labels) const;
  at::Tensor draw_dropout(int64_t cells, at::Generator& generator) const;
  GradientList differentiate(const Cells& batch, const at::Tensor& kept, Sums& sums) const;

  ClassifierOptions options;
  TrainedClassifier network;
  Descent descent;
  at::Tensor cells;   // cells x L
  at::Tensor labels;  // cells, int64
};

at::Tensor ClassifierTrainer::Impl::checked_cells(const FloatArray& embedding,
                                                  const std::vector<int32_t>& types) const {
  const int64_t latent = network.widths().latent;
  if (embedding.shape.size() != 2 || embedding.shape[1] != latent)
    throw Error(ErrorKind::sizes, "The embedding: expected cells x " + std::to_string(latent) +
                                      ", got " + shape_text(embedding.shape) + ".");
  check_codes(types, embedding.shape[0], network.widths().types, "type");
  return to_tensor(embedding);
}

// logits: B x K. Returns B.
at::Tensor ClassifierTrainer::Impl::losses_of(const at::Tensor& logits,
                                              const at::Tensor& labels) const {
  // The published program hands probabilities to a loss that takes the softmax of what it is given.
  const at::Tensor given = options.plain_cross_entropy ? logits : at::softmax(logits, 1);
  return smoothed_cross_entropy(given, labels, 0);
}

at::Tensor ClassifierTrainer::Impl::draw_dropout(int64_t cells, at::Generator& generator) const {
  return draw_kept(cells, network.widths().first, options.dropout, generator);
}

GradientList ClassifierTrainer::Impl::differentiate(const Cells& batch, const at::Tensor& kept,
                                                    Sums& sums) const {
  const c10::AutoGradMode with_gradients(true);
  const at::Tensor places = long_tensor(batch);
  const at::Tensor own = labels.index_select(0, places);  // B
  const at::Tensor logits =
      classify_in_training(network.parameters(), cells.index_select(0, places), kept);  // B x K
  const at::Tensor loss = losses_of(logits, own).mean();
  sums.loss += loss.item<double>() * static_cast<double>(batch.size());
  sums.right += at::argmax(logits.detach(), 1).eq(own).sum().item<int64_t>();
  GradientList learned;
  for (const auto& named : network.trainable()) learned.push_back(named.second);
  return gradients_of(loss, learned);
}

ClassifierTrainer::ClassifierTrainer(const Weights& weights, const FloatArray& embedding,
                                     const std::vector<int32_t>& types,
                                     const ClassifierOptions& options)
    : impl_(new Impl(weights, embedding, types, options)) {}
ClassifierTrainer::~ClassifierTrainer() = default;

ClassifierEpoch ClassifierTrainer::train(const std::vector<int64_t>& order, double learning_rate,
                                         Control& control) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const Cells cells_in_order = checked_order(order, self.cells.size(0), self.descent.generator());
  const int64_t count = static_cast<int64_t>(cells_in_order.size());
  control.total = count;
  Sums sums;
  for (const Cells& batch : batches_of(cells_in_order, self.options.batch_size)) {
    control.check();
    const at::Tensor kept =
        self.draw_dropout(static_cast<int64_t>(batch.size()), self.descent.generator());
    self.descent.step(self.differentiate(batch, kept, sums), learning_rate);
    control.done += static_cast<int64_t>(batch.size());
  }
  return {sums.loss / static_cast<double>(count),
          static_cast<double>(sums.right) / static_cast<double>(count)};
}

ClassifierValidation ClassifierTrainer::validate(const FloatArray& embedding,
                                                 const std::vector<int32_t>& types,
                                                 Control& control) const {
  const Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const c10::NoGradGuard no_grad;
  const at::Tensor cells = self.checked_cells(embedding, types);
  const at::Tensor labels = long_tensor({types.begin(), types.end()});
  const int64_t count = cells.size(0);
  control.total = count;
  ClassifierValidation result{0, {}};
  for (int64_t first = 0; first < count; first += self.options.batch_size) {
    control.check();
    const int64_t some = std::min(self.options.batch_size, count - first);
    const at::Tensor logits =
        classify_cells(self.network.parameters(), cells.narrow(0, first, some));  // B x K
    result.loss += self.losses_of(logits, labels.narrow(0, first, some)).sum().item<double>();
    const at::Tensor predicted = at::argmax(logits, 1);  // B
    result.predicted.insert(result.predicted.end(), predicted.data_ptr<int64_t>(),
                            predicted.data_ptr<int64_t>() + some);
    control.done += some;
  }
  if (count > 0) result.loss /= static_cast<double>(count);
  return result;
}

Weights ClassifierTrainer::weights() const { return impl_->network.weights(); }

// The running means and variances move in a forward pass, so they are put back.
Weights ClassifierTrainer::gradients() {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  at::Generator generator = copy_of(self.descent.generator());
  const Weights before = self.network.weights();
  const Cells batch = batches_of(cell_range(0, self.options.batch_size, self.cells.size(0)),
                                 self.options.batch_size)[0];
  Sums sums;
  const GradientList first = self.differentiate(
      batch, self.draw_dropout(static_cast<int64_t>(batch.size()), generator), sums);
  self.network.set_weights(before);
  return named(self.network, first);
}

void ClassifierTrainer::keep_best() { impl_->descent.keep_best(); }
Weights ClassifierTrainer::best_weights() const { return impl_->descent.best(); }
TrainingState ClassifierTrainer::state() const { return impl_->descent.state(); }
void ClassifierTrainer::restore(const TrainingState& state) { impl_->descent.restore(state); }

}  // namespace canal
