set title "verdict: compute-bound, high confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key outside top center horizontal samplen 1
$legs << END
"L" 1.181477 1.171110 1.235117
"C" 56.405437 53.503536 58.446372
"A" 56.405437 53.503536 58.446372
"X" 56.594903 53.650600 58.760386
"E" 57.049341 55.693541 58.686203
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 56.405437 lc rgb '#D55E00' lw 2 title 'predicted'
