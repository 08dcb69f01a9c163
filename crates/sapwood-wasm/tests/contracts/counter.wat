;; A counter, 64-bit, little-endian.
;;   increment   one more; output: the new count
;;   value       output: the count
;;   reset       forgets it
;;   half        one more, then a trap
(module
  (import "sapwood" "get" (func $get (param i32 i32 i32 i32) (result i64)))
  (import "sapwood" "set" (func $set (param i32 i32 i32 i32)))
  (import "sapwood" "delete" (func $delete (param i32 i32)))
  (import "sapwood" "event" (func $event (param i32 i32 i32 i32)))
  (import "sapwood" "output" (func $output (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "count")

  (func $load
    (drop (call $get (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8))))
  (func $increment (export "increment")
    (call $load)
    (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (i64.const 1)))
    (call $set (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8))
    (call $output (i32.const 16) (i32.const 8)))
  (func (export "value")
    (call $load)
    (call $output (i32.const 16) (i32.const 8)))
  (func (export "reset")
    (call $delete (i32.const 0) (i32.const 5)))
  (func (export "half")
    (call $increment)
    (call $event (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8))
    unreachable))
