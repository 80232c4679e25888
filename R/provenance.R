# The note left with every result, so that it can be traced: which model, made by which version,
# called with which parameters, when. `parameters`: a named list of plain values.
model_record <- function(model, parameters = list()) {
  list(
    version = as.character(utils::packageVersion("canalR")),
    libtorch = cpp_runtime_info()$libtorch,
    model = list(id = model@provenance$id, stages = length(model@history), types = model@labels),
    parameters = parameters,
    date = format(Sys.time(), "%Y-%m-%d %H:%M:%S UTC", tz = "UTC")
  )
}
