#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/cellular/checks.h"
#include "engine/cellular/losses.h"
#include "engine/cellular/trained_encoder.h"
#include "engine/errors.h"
#include "engine/nn/batch.h"
#include "engine/nn/operators.h"
#include "engine/nn/random.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/runtime/thread_scope.h"
#include "engine/train/descent.h"

namespace canal {

namespace {

const CellularOptions& checked(const CellularOptions& options) {
  check_whole_batches(options);
  check_dropout(options.dropout);
  for (const double weight : {options.snn_weight, options.batch_weight, options.centroid_weight})
    if (!(weight >= 0 && std::isfinite(weight)))
      throw Error(ErrorKind::input, "The weight of a loss must be a number from 0.");
  if (!(options.least_temperature > 0 && options.most_temperature >= options.least_temperature &&
        options.batch_temperature > 0 && options.temperature > 0))
    throw Error(ErrorKind::input, "Temperatures must be above 0, the least below the most.");
  return options;
}

int64_t types_of(const std::vector<double>& distances) {
  const int64_t types = std::llround(std::sqrt(static_cast<double>(distances.size())));
  if (types < 1 || types * types != static_cast<int64_t>(distances.size()))
    throw Error(ErrorKind::sizes,
                "The distances of the types' centroids: expected a square matrix.");
  for (int64_t i = 0; i < types; ++i)
    for (int64_t j = 0; j < types; ++j) {
      const double there = distances[i * types + j], back = distances[j * types + i];
      const bool same = there == back || (std::isnan(there) && std::isnan(back));
      if (there < 0 || std::isinf(there) || !same)
        throw Error(ErrorKind::input,
                    "The distances of the types' centroids: expected a symmetric matrix of numbers "
                    "from 0, or NaN.");
    }
  return types;
}

// Of a mini-batch, what is known before anything is computed.
struct Pairs {
  Neighbours of_types, of_batches;
  CentroidDistances centroids;
};

struct Loss {
  at::Tensor snn, batch, centroid;  // scalars; undefined without a pair
  at::Tensor total;
};

void add(const Loss& loss, CellularSums& sums) {
  const auto add_one = [](const at::Tensor& value, double& sum, int64_t& with) {
    if (!value.defined()) return;
    sum += value.item<double>();
    ++with;
  };
  add_one(loss.snn, sums.snn, sums.with_snn);
  add_one(loss.batch, sums.batch, sums.with_batch);
  add_one(loss.centroid, sums.centroid, sums.with_centroid);
  add_one(loss.total, sums.total, sums.steps);
}

template <class Number>
std::vector<Number> chosen(const std::vector<Number>& all, const Cells& cells) {
  std::vector<Number> some;
  for (const int64_t cell : cells)
    if (!all.empty()) some.push_back(all[cell]);
  return some;
}

}  // namespace

struct CellularTrainer::Impl {
  Impl(const Weights& weights, const std::vector<double>& distances_, const CellGroups& training_,
       const CellularOptions& opts)
      : options(checked(opts)),
        types(types_of(distances_)),
        distances(distances_),
        training(training_),
        encoder(weights, opts),
        descent(encoder, opts, encoder.tier() ? encoder.tier()->adam : nullptr) {
    check_groups(training, static_cast<int64_t>(training.types.size()));
    type_weights = inverse_frequencies(training.types, types);
    int32_t batches = 0;
    for (const int32_t batch : training.batches) batches = std::max(batches, batch + 1);
    batch_weights = inverse_frequencies(training.batches, batches);
  }

  void check_groups(const CellGroups& groups, int64_t cells) const;
  void check_values(const SparseCells& values, const CellGroups& groups) const;
  Pairs pairs_of(const CellGroups& groups, const Cells& cells) const;
  Loss loss_of(const at::Tensor& z, const Pairs& pairs) const;
  at::Tensor draw_dropout(int64_t cells, at::Generator& generator) const;
  GradientList differentiate(const SparseCells& values, const Cells& cells, const Pairs& pairs,
                             const at::Tensor& kept, CellularSums& sums);

  CellularOptions options;
  int64_t types;
  std::vector<double> distances;  // K x K
  CellGroups training;
  TrainedEncoder encoder;
  Descent descent;
  std::vector<double> type_weights, batch_weights;
};

// A batch that no training cell is of has no weight, but is no error.
void CellularTrainer::Impl::check_groups(const CellGroups& groups, int64_t cells) const {
  check_codes(groups.types, cells, types, "type");
  if (groups.batches.empty() && training.batches.empty()) return;
  if (training.batches.empty())
    throw Error(ErrorKind::input, "The training cells have no batches, so no others can have.");
  check_codes(groups.batches, cells, std::numeric_limits<int32_t>::max(), "batch");
}

void CellularTrainer::Impl::check_values(const SparseCells& values,
                                         const CellGroups& groups) const {
  check_groups(groups, values.cells);
  if (values.genes != encoder.widths().genes)
    throw Error(ErrorKind::sizes, "Expected " + std::to_string(encoder.widths().genes) +
                                      " genes, got " + std::to_string(values.genes) + ".");
}

Pairs CellularTrainer::Impl::pairs_of(const CellGroups& groups, const Cells& cells) const {
  const std::vector<int32_t> own = chosen(groups.types, cells);
  Pairs pairs{type_neighbours(own, type_weights), {}, centroid_distances(own, distances, types)};
  pairs.of_batches.any = false;
  if (!groups.batches.empty())
    pairs.of_batches = batch_neighbours(own, chosen(groups.batches, cells), batch_weights);
  return pairs;
}

// z: B x L.
Loss CellularTrainer::Impl::loss_of(const at::Tensor& z, const Pairs& pairs) const {
  // Without batches the published program leaves the weights of both to the types.
  const bool with_batches = !training.batches.empty();
  const double snn_weight = options.snn_weight + (with_batches ? 0 : options.batch_weight);
  const at::Tensor similar = cosines(z);
  Loss loss;
  loss.snn = nearest_neighbour_loss(similar, encoder.temperature(), pairs.of_types);
  loss.total = loss.snn * snn_weight;
  if (pairs.of_batches.any) {
    loss.batch = inverse_neighbour_loss(similar, options.batch_temperature, pairs.of_batches);
    loss.total = loss.total + loss.batch * options.batch_weight;
  }
  if (pairs.centroids.any) {
    loss.centroid = centroid_loss(z, pairs.centroids);
    loss.total = loss.total + loss.centroid * options.centroid_weight;
  }
  return loss;
}

at::Tensor CellularTrainer::Impl::draw_dropout(int64_t cells, at::Generator& generator) const {
  return draw_kept(cells, encoder.widths().first, options.dropout, generator);
}

GradientList CellularTrainer::Impl::differentiate(const SparseCells& values, const Cells& cells,
                                                  const Pairs& pairs, const at::Tensor& kept,
                                                  CellularSums& sums) {
  return encoder.gradients(values, cells, kept, [&](const at::Tensor& z) {
    const Loss loss = loss_of(z, pairs);
    add(loss, sums);
    return loss.total;
  });
}

CellularTrainer::CellularTrainer(const Weights& weights, const std::vector<double>& distances,
                                 const CellGroups& training, const CellularOptions& options)
    : impl_(new Impl(weights, distances, training, options)) {}
CellularTrainer::~CellularTrainer() = default;

CellularSums CellularTrainer::train(const SparseCells& values, const std::vector<int64_t>& order,
                                    double learning_rate, Control& control) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  self.check_values(values, self.training);
  const Cells cells_in_order = checked_order(order, values.cells, self.descent.generator());
  control.total = static_cast<int64_t>(cells_in_order.size());
  CellularSums sums;
  for (const Cells& cells : split(cells_in_order, self.options.batch_size)) {
    control.check();
    const Pairs pairs = self.pairs_of(self.training, cells);
    if (pairs.of_types.any) {
      const at::Tensor kept =
          self.draw_dropout(static_cast<int64_t>(cells.size()), self.descent.generator());
      self.descent.step(self.differentiate(values, cells, pairs, kept, sums), learning_rate);
    } else {
      ++sums.skipped;
    }
    control.done += static_cast<int64_t>(cells.size());
  }
  return sums;
}

CellularSums CellularTrainer::validate(const SparseCells& values, const CellGroups& groups,
                                       Control& control) const {
  const Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const c10::NoGradGuard no_grad;
  self.check_values(values, groups);
  control.total = values.cells;
  CellularSums sums;
  for (const Cells& cells :
       split(cell_range(0, values.cells, values.cells), self.options.batch_size)) {
    control.check();
    const Pairs pairs = self.pairs_of(groups, cells);
    if (pairs.of_types.any) {
      const at::Tensor z = self.encoder.embed(values, cells);  // B x L
      on_one_thread([&] { add(self.loss_of(z, pairs), sums); });
    } else {
      ++sums.skipped;
    }
    control.done += static_cast<int64_t>(cells.size());
  }
  return sums;
}

Weights CellularTrainer::weights() const { return impl_->encoder.weights(); }

Weights CellularTrainer::gradients(const SparseCells& values) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  self.check_values(values, self.training);
  const Cells cells = cell_range(0, self.options.batch_size, values.cells);
  const Pairs pairs = self.pairs_of(self.training, cells);
  if (!pairs.of_types.any)
    throw Error(ErrorKind::input, "The first mini-batch has no pair of cells to learn from.");
  at::Generator generator = copy_of(self.descent.generator());
  const at::Tensor kept = self.draw_dropout(static_cast<int64_t>(cells.size()), generator);
  CellularSums sums;
  return named(self.encoder, self.differentiate(values, cells, pairs, kept, sums));
}

void CellularTrainer::keep_best() { impl_->descent.keep_best(); }
Weights CellularTrainer::best_weights() const { return impl_->descent.best(); }
TrainingState CellularTrainer::state() const { return impl_->descent.state(); }
void CellularTrainer::restore(const TrainingState& state) { impl_->descent.restore(state); }

}  // namespace canal
