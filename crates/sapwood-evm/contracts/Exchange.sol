// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

interface Erc20 {
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A pool of two tokens that changes one for the other: the product of the two reserves is never smaller after a swap
/// than before it. 0.3 % of what comes in stays in the pool, for those who gave it its reserves.
contract Exchange {
    Erc20 public immutable token0;
    Erc20 public immutable token1;

    /// What the pool has of each token, in one slot.
    uint112 private reserve0;
    uint112 private reserve1;

    /// Shares of the pool.
    uint256 public totalShares;
    mapping(address => uint256) public shares;

    /// Whether a call of this contract is under way; gone with the transaction (EIP-1153).
    bool private transient locked;

    event LiquidityAdded(address indexed provider, uint256 amount0, uint256 amount1, uint256 shares);
    event LiquidityRemoved(address indexed provider, uint256 amount0, uint256 amount1, uint256 shares);
    event Swap(address indexed trader, address indexed tokenIn, uint256 amountIn, uint256 amountOut);
    event Sync(uint112 reserve0, uint112 reserve1);

    error Locked();
    error SameToken();
    error UnknownToken(address token);
    error NothingToDo();
    error NoLiquidity();
    error TooLittleOut(uint256 amountOut, uint256 minOut);
    error TransferFailed(address token);
    error TooMuch();
    error ProductFell();

    modifier alone() {
        if (locked) revert Locked();
        locked = true;
        _;
        locked = false;
    }

    constructor(Erc20 token0_, Erc20 token1_) {
        if (address(token0_) == address(token1_)) revert SameToken();
        token0 = token0_;
        token1 = token1_;
    }

    function reserves() external view returns (uint112, uint112) {
        return (reserve0, reserve1);
    }

    /// Adds to both reserves what the caller lets the pool take. Whoever gives by another price than the pool's gives
    /// what is too much to all.
    function addLiquidity(uint256 amount0, uint256 amount1) external alone returns (uint256 minted) {
        (uint256 old0, uint256 old1) = (reserve0, reserve1);
        if (totalShares == 0) {
            minted = root(amount0 * amount1);
        } else {
            uint256 by0 = amount0 * totalShares / old0;
            uint256 by1 = amount1 * totalShares / old1;
            minted = by0 < by1 ? by0 : by1;
        }
        if (minted == 0) revert NothingToDo();
        take(token0, amount0);
        take(token1, amount1);
        totalShares += minted;
        shares[msg.sender] += minted;
        update();
        emit LiquidityAdded(msg.sender, amount0, amount1, minted);
    }

    /// Gives back what some of the caller's shares are worth.
    function removeLiquidity(uint256 burned) external alone returns (uint256 amount0, uint256 amount1) {
        if (burned == 0) revert NothingToDo();
        shares[msg.sender] -= burned;
        amount0 = burned * reserve0 / totalShares;
        amount1 = burned * reserve1 / totalShares;
        totalShares -= burned;
        give(token0, amount0);
        give(token1, amount1);
        update();
        emit LiquidityRemoved(msg.sender, amount0, amount1, burned);
    }

    /// Takes `amountIn` of one token and gives at least `minOut` of the other, or reverts.
    function swap(Erc20 tokenIn, uint256 amountIn, uint256 minOut) external alone returns (uint256 amountOut) {
        bool isFirst = address(tokenIn) == address(token0);
        if (!isFirst && address(tokenIn) != address(token1)) revert UnknownToken(address(tokenIn));
        if (amountIn == 0) revert NothingToDo();
        (uint256 old0, uint256 old1) = (reserve0, reserve1);
        (uint256 reserveIn, uint256 reserveOut) = isFirst ? (old0, old1) : (old1, old0);
        if (reserveIn == 0) revert NoLiquidity();
        uint256 kept = amountIn * 997;
        amountOut = kept * reserveOut / (reserveIn * 1000 + kept);
        if (amountOut < minOut) revert TooLittleOut(amountOut, minOut);
        take(tokenIn, amountIn);
        give(isFirst ? token1 : token0, amountOut);
        update();
        if (uint256(reserve0) * reserve1 < old0 * old1) revert ProductFell();
        emit Swap(msg.sender, address(tokenIn), amountIn, amountOut);
    }

    function take(Erc20 token, uint256 amount) private {
        if (!token.transferFrom(msg.sender, address(this), amount)) revert TransferFailed(address(token));
    }

    function give(Erc20 token, uint256 amount) private {
        if (!token.transfer(msg.sender, amount)) revert TransferFailed(address(token));
    }

    /// The reserves are what the tokens say that the pool has.
    function update() private {
        uint256 balance0 = token0.balanceOf(address(this));
        uint256 balance1 = token1.balanceOf(address(this));
        if (balance0 > type(uint112).max || balance1 > type(uint112).max) revert TooMuch();
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        emit Sync(uint112(balance0), uint112(balance1));
    }

    /// The square root, rounded down: Newton's method from above.
    function root(uint256 square) private pure returns (uint256 result) {
        result = square;
        uint256 next = square / 2 + 1;
        while (next < result) {
            result = next;
            next = (square / next + next) / 2;
        }
    }
}
