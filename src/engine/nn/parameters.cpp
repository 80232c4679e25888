#include "engine/nn/parameters.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "engine/errors.h"

namespace canal {

std::string shape_text(const Shape& shape) {
  if (shape.empty()) return "a scalar";
  std::string text;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += " x ";
    text += std::to_string(shape[i]);
  }
  return text;
}

at::Tensor to_tensor(const FloatArray& array) {
  at::Tensor tensor = at::empty(array.shape, at::kFloat);
  std::copy(array.values.begin(), array.values.end(), tensor.data_ptr<float>());
  return tensor;
}

FloatArray to_array(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* first = flat.data_ptr<float>();
  return {flat.sizes().vec(), std::vector<float>(first, first + flat.numel())};
}

namespace {

const FloatArray& weight_of(const Weights& weights, const std::string& name) {
  const FloatArray* array = find(weights, name);
  if (array == nullptr) throw Error(ErrorKind::sizes, "The weights lack `" + name + "`.");
  return *array;
}

}  // namespace

const FloatArray& weight_of(const Weights& weights, const std::string& name, const Shape& shape) {
  const FloatArray& array = weight_of(weights, name);
  if (array.shape != shape)
    throw Error(ErrorKind::sizes, "`" + name + "`: expected " + shape_text(shape) + ", got " +
                                      shape_text(array.shape) + ".");
  return array;
}

Shape matrix_shape(const Weights& weights, const std::string& name) {
  const Shape& shape = weight_of(weights, name).shape;
  if (shape.size() != 2)
    throw Error(ErrorKind::sizes,
                "`" + name + "`: expected a matrix, got " + shape_text(shape) + ".");
  return shape;
}

Parameters to_parameters(Weights weights, const NetworkSizes& sizes, const std::string& device) {
  Parameters parameters;
  parameters.layers.resize(sizes.depth);
  visit_parameters(parameters, sizes,
                   [&](const std::string& name, at::Tensor& tensor, const Shape& shape) {
                     const FloatArray& array = weight_of(weights, name, shape);
                     tensor = to_tensor(array).to(at::Device(device));
                     const_cast<FloatArray&>(array).values = {};
                   });
  return parameters;
}

Weights to_weights(const Parameters& parameters, const NetworkSizes& sizes) {
  Weights weights;
  visit_parameters(parameters, sizes,
                   [&](const std::string& name, const at::Tensor& tensor, const Shape&) {
                     weights.emplace_back(name, to_array(tensor));
                   });
  return weights;
}

}  // namespace canal
