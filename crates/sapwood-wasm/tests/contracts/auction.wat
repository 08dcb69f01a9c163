;; An auction that ends at a height. Amounts are 64-bit, little-endian.
;;   init       input: the height from which nobody may bid any more
;;   bid        input: an amount, above the highest
;;   withdraw   takes the caller's bid back, if it is not the highest
;;   close      output: who won; once, and not before the end
;;   bids       output: the bids, as rows of a scan: lengths of key and value (4 bytes each), key, value
(module
  (import "sapwood" "height" (func $height (result i64)))
  (import "sapwood" "caller_len" (func $caller_len (result i32)))
  (import "sapwood" "caller" (func $caller (param i32 i32 i32)))
  (import "sapwood" "input" (func $input (param i32 i32 i32)))
  (import "sapwood" "get" (func $get (param i32 i32 i32 i32) (result i64)))
  (import "sapwood" "set" (func $set (param i32 i32 i32 i32)))
  (import "sapwood" "delete" (func $delete (param i32 i32)))
  (import "sapwood" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32) (result i64)))
  (import "sapwood" "event" (func $event (param i32 i32 i32 i32)))
  (import "sapwood" "output" (func $output (param i32 i32)))
  (import "sapwood" "revert" (func $revert (param i32 i32)))

  (memory (export "memory") 2)
  (data (i32.const 0) "end")
  (data (i32.const 8) "highest")
  (data (i32.const 16) "winner")
  (data (i32.const 24) "closed")
  (data (i32.const 32) "too late")
  (data (i32.const 48) "too low")
  (data (i32.const 64) "too early")
  ;; 128: the end; 136: the highest; 144: the input; 1024: the key of the caller's bid; 4096: rows
  (data (i32.const 1024) "bid/")

  (func $load
    (drop (call $get (i32.const 0) (i32.const 3) (i32.const 128) (i32.const 8)))
    (drop (call $get (i32.const 8) (i32.const 7) (i32.const 136) (i32.const 8))))
  (func $caller_key (result i32)
    (call $caller (i32.const 1028) (i32.const 0) (call $caller_len))
    (i32.add (call $caller_len) (i32.const 4)))
  (func $is_over (result i32)
    (i64.ge_u (call $height) (i64.load (i32.const 128))))

  (func (export "init")
    (call $input (i32.const 144) (i32.const 0) (i32.const 8))
    (call $set (i32.const 0) (i32.const 3) (i32.const 144) (i32.const 8)))

  (func (export "bid")
    (local $key i32)
    (call $load)
    (if (call $is_over) (then (call $revert (i32.const 32) (i32.const 8))))
    (call $input (i32.const 144) (i32.const 0) (i32.const 8))
    (if (i64.le_u (i64.load (i32.const 144)) (i64.load (i32.const 136)))
      (then (call $revert (i32.const 48) (i32.const 7))))
    (local.set $key (call $caller_key))
    (call $set (i32.const 8) (i32.const 7) (i32.const 144) (i32.const 8))
    (call $set (i32.const 16) (i32.const 6) (i32.const 1028) (call $caller_len))
    (call $set (i32.const 1024) (local.get $key) (i32.const 144) (i32.const 8))
    (call $event (i32.const 1024) (local.get $key) (i32.const 144) (i32.const 8)))

  (func (export "withdraw")
    (local $key i32)
    (call $load)
    (local.set $key (call $caller_key))
    (if (i64.lt_s
          (call $get (i32.const 1024) (local.get $key) (i32.const 144) (i32.const 8))
          (i64.const 0))
      (then (return)))
    (if (i64.eq (i64.load (i32.const 144)) (i64.load (i32.const 136)))
      (then (call $revert (i32.const 32) (i32.const 8))))
    (call $delete (i32.const 1024) (local.get $key)))

  (func (export "close")
    (local $len i32)
    (call $load)
    (if (i32.eqz (call $is_over)) (then (call $revert (i32.const 64) (i32.const 9))))
    (if (i64.ge_s
          (call $get (i32.const 24) (i32.const 6) (i32.const 0) (i32.const 0))
          (i64.const 0))
      (then (call $revert (i32.const 32) (i32.const 8))))
    (call $set (i32.const 24) (i32.const 6) (i32.const 0) (i32.const 0))
    (local.set $len (i32.wrap_i64
      (call $get (i32.const 16) (i32.const 6) (i32.const 4096) (i32.const 60000))))
    (if (i32.gt_s (local.get $len) (i32.const 0))
      (then (call $output (i32.const 4096) (local.get $len)))))

  (func (export "bids")
    (local $rows i64) (local $at i32)
    (local.set $rows (call $scan
      (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0)
      (i32.const 1000) (i32.const 4096) (i32.const 60000)))
    (local.set $at (i32.const 4096))
    (block $end
      (loop $next
        (br_if $end (i64.le_s (local.get $rows) (i64.const 0)))
        (local.set $at (i32.add (local.get $at) (i32.add (i32.const 8)
          (i32.add (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))))
        (local.set $rows (i64.sub (local.get $rows) (i64.const 1)))
        (br $next)))
    (call $output (i32.const 4096) (i32.sub (local.get $at) (i32.const 4096)))))
