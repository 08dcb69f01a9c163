;; A token. Accounts are any bytes; amounts are 64-bit, little-endian, in state and in inputs.
;;   init       input: the supply, which the deployer gets
;;   transfer   input: an amount, then the account that gets it
;;   balance    input: an account; output: its balance
(module
  (import "sapwood" "caller_len" (func $caller_len (result i32)))
  (import "sapwood" "caller" (func $caller (param i32 i32 i32)))
  (import "sapwood" "input_len" (func $input_len (result i32)))
  (import "sapwood" "input" (func $input (param i32 i32 i32)))
  (import "sapwood" "get" (func $get (param i32 i32 i32 i32) (result i64)))
  (import "sapwood" "set" (func $set (param i32 i32 i32 i32)))
  (import "sapwood" "delete" (func $delete (param i32 i32)))
  (import "sapwood" "event" (func $event (param i32 i32 i32 i32)))
  (import "sapwood" "output" (func $output (param i32 i32)))
  (import "sapwood" "revert" (func $revert (param i32 i32)))

  (memory (export "memory") 1)
  ;; 8: a number on its way; 16: the caller's key; 2048: the other's; 4096: the amount
  (data (i32.const 16) "b/")
  (data (i32.const 2048) "b/")
  (data (i32.const 6000) "too little")
  (data (i32.const 6016) "no account")
  (data (i32.const 6032) "transfer")

  (func $load (param $key i32) (param $len i32) (result i64)
    (i64.store (i32.const 8) (i64.const 0))
    (drop (call $get (local.get $key) (local.get $len) (i32.const 8) (i32.const 8)))
    (i64.load (i32.const 8)))

  ;; An empty account takes no room.
  (func $store (param $key i32) (param $len i32) (param $amount i64)
    (if (i64.eqz (local.get $amount))
      (then (call $delete (local.get $key) (local.get $len)))
      (else
        (i64.store (i32.const 8) (local.get $amount))
        (call $set (local.get $key) (local.get $len) (i32.const 8) (i32.const 8)))))

  ;; The length of the caller's key, which it puts in its place.
  (func $caller_key (result i32)
    (call $caller (i32.const 18) (i32.const 0) (call $caller_len))
    (i32.add (call $caller_len) (i32.const 2)))

  (func (export "init")
    (call $input (i32.const 4096) (i32.const 0) (i32.const 8))
    (call $store (i32.const 16) (call $caller_key) (i64.load (i32.const 4096))))

  (func (export "transfer")
    (local $from i32) (local $to i32) (local $amount i64) (local $balance i64)
    (if (i32.lt_u (call $input_len) (i32.const 9))
      (then (call $revert (i32.const 6016) (i32.const 10))))
    (call $input (i32.const 4096) (i32.const 0) (i32.const 8))
    (call $input (i32.const 2050) (i32.const 8) (i32.sub (call $input_len) (i32.const 8)))
    (local.set $amount (i64.load (i32.const 4096)))
    (local.set $from (call $caller_key))
    (local.set $to (i32.sub (call $input_len) (i32.const 6)))
    (local.set $balance (call $load (i32.const 16) (local.get $from)))
    (if (i64.lt_u (local.get $balance) (local.get $amount))
      (then (call $revert (i32.const 6000) (i32.const 10))))
    (call $store (i32.const 16) (local.get $from)
      (i64.sub (local.get $balance) (local.get $amount)))
    (call $store (i32.const 2048) (local.get $to)
      (i64.add (call $load (i32.const 2048) (local.get $to)) (local.get $amount)))
    (call $event (i32.const 6032) (i32.const 8) (i32.const 4096) (i32.const 8)))

  (func (export "balance")
    (call $input (i32.const 2050) (i32.const 0) (call $input_len))
    (i64.store (i32.const 4096)
      (call $load (i32.const 2048) (i32.add (call $input_len) (i32.const 2))))
    (call $output (i32.const 4096) (i32.const 8))))
