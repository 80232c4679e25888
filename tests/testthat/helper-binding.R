# Runs code while a function of the package is another one.
with_binding <- function(name, value, code) {
  space <- asNamespace("canalR")
  own <- get(name, space)
  put <- function(value) {
    unlockBinding(name, space)
    assign(name, value, envir = space)
    lockBinding(name, space)
  }
  on.exit(put(own))
  put(value)
  code
}
