const isNumber = require('is-number');

console.log('ahoy', isNumber('42'));
