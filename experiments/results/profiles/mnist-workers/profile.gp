set title "verdict: compute-bound, high confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key top left
$legs << END
"L" 1.808820 1.692995 1.922401
"C" 134.723231 128.684119 159.161947
"A" 134.723231 128.684119 159.161947
"X" 132.884206 125.128381 163.373705
"E" 141.470637 128.134255 170.747754
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 136.532052 lc rgb '#D55E00' lw 2 title 'predicted'
