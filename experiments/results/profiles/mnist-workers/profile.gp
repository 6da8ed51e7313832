set title "verdict: compute-bound, high confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key outside top center horizontal samplen 1
$legs << END
"L" 1.073676 1.064456 1.123626
"C" 60.053477 59.732308 61.339330
"A" 60.053477 59.732308 61.339330
"X" 60.194659 59.758921 61.102506
"E" 62.016768 61.458093 63.420475
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 61.127153 lc rgb '#D55E00' lw 2 title 'predicted'
