#!/usr/bin/perl
# The story of README.md told by Perl's SOAP::Lite: client.pl [--gbk] BASE SOAP DAY  A(psn certno insutype ipt)  B(...)
# With --gbk everything is GBK on the wire, both ways. The string service is called through the stub that SOAP::Lite
# makes of the WSDL (1.1 only: its stubs cannot speak 1.2), everything else by naming the elements.
use strict;
use warnings;
use utf8;
use Encode qw(encode);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use POSIX qw(floor);
use SOAP::Lite;

# expat knows no GBK: what arrives in it is handed on as UTF-8
package TranscodingDeserializer {
    our @ISA = ('SOAP::Deserializer');

    sub deserialize {
        my ($self, $xml) = @_;
        if (!utf8::is_utf8($xml) && $xml =~ s/^(<\?xml[^>]*encoding=["'])(gbk|gb2312|gb18030)(["'])/$1utf-8$3/i) {
            $xml = Encode::encode('utf-8', Encode::decode($2, $xml));
        }
        return $self->SUPER::deserialize($xml);
    }
}

binmode STDOUT, ':raw';
my $gbk = $ARGV[0] eq '--gbk' ? shift @ARGV : '';
my ($base, $version, $day, @rest) = @ARGV;
my $charset = $gbk ? 'gbk' : 'utf-8';
my $namespace = 'urn:yibao:gateway:v1';
SOAP::Lite->soapversion($version);

sub service {
    my ($name, $password) = @_;
    my $url = "$base/soap/$name";
    my $service = SOAP::Lite->proxy($url)->encoding($charset);
    $service->deserializer(TranscodingDeserializer->new);
    # the library would send a password only after a 401
    $service->transport->default_header(Authorization => 'Basic ' . encode_base64($password, '')) if $password;
    $service->on_action(sub { "\"$namespace/$_[1]\"" });
    return $service;
}

# a leaf or a node; pairs stay in the order given, a repeated name is a repeated element
sub element {
    my ($name, $value) = @_;
    # without a type, text that is not ASCII would go as base64
    return SOAP::Data->name($name)->type('string')->value($value) unless ref $value;
    return SOAP::Data->name($name, \SOAP::Data->value(elements(@$value)));
}

sub elements {
    my @pairs = @_;
    my @out;
    push @out, element(splice @pairs, 0, 2) while @pairs;
    return @out;
}

sub call {
    my ($service, $operation, @pairs) = @_;
    my $answer = $service->call(SOAP::Data->name($operation)->attr({ xmlns => $namespace }), elements(@pairs));
    die "$operation: " . $answer->faultstring . "\n" if $answer->fault;
    return $answer;
}

sub head { return [opter => '0001', opter_name => '张三', opter_type => '1'] }

sub diagnosis {
    my ($psn_no, $number, $code, $name) = @_;
    return [
        psn_no => $psn_no, diag_type => '1', maindiag_flag => $number == 1 ? '1' : '0', diag_srt_no => $number,
        diag_code => $code, diag_name => $name, diag_dept => 'A01', dise_dor_no => 'D001', dise_dor_name => '欧阳修远',
        diag_time => "$day 09:40:00",
    ];
}

sub admission {
    my ($psn_no, $certno, $insutype, $ipt_no) = @_;
    return (
        mdtrtinfo => [
            psn_no => $psn_no, insutype => $insutype, coner_name => '李四', tel => '13800000000', begntime => "$day 09:30:00",
            mdtrt_cert_type => '02', mdtrt_cert_no => $certno, med_type => '21', ipt_no => $ipt_no, atddr_no => 'D001',
            chfpdr_name => '欧阳修远', adm_diag_dscr => '急性阑尾炎', adm_dept_codg => 'A01', adm_dept_name => '普通外科',
            adm_bed => '12床', dscg_maindiag_code => 'K35.800', dscg_maindiag_name => '急性阑尾炎',
        ],
        diseinfo => diagnosis($psn_no, 1, 'K35.800', '急性阑尾炎'),
        diseinfo => diagnosis($psn_no, 2, 'I10.x00', '高血压病（２级）'),
    );
}

sub yuan { my ($cents) = @_; return sprintf '%d.%02d', $cents / 100, $cents % 100 }

sub fee {
    my ($patient, $mdtrt_id, $i) = @_;
    my ($cnt, $price) = (1 + $i % 4, 105 + 37 * $i);
    return [
        feedetl_sn => sprintf('%s-%03d', $patient->[3], $i), mdtrt_id => $mdtrt_id, psn_no => $patient->[0], med_type => '21',
        fee_ocur_time => sprintf('%s 10:%02d:%02d', $day, $i / 60, $i % 60), med_list_codg => 'XA02BCA001A001010101',
        medins_list_codg => "YP$i", det_item_fee_sumamt => yuan($cnt * $price), cnt => $cnt, pric => yuan($price),
        bilg_dept_codg => 'A01', bilg_dept_name => '普通外科', bilg_dr_codg => 'D001', bilg_dr_name => '欧阳修远',
        memo => "阿莫西林胶囊（０．２５ｇ×２４粒）第${i}行",
    ];
}

sub fees {
    my ($patient, $mdtrt_id) = @_;
    return map { (feedetail => fee($patient, $mdtrt_id, $_)) } 1 .. 500;
}

sub told {
    my ($mdtrt_id, @amounts) = @_;
    my $cents = 0;
    $cents += floor($_ * 100 + 0.5) for @amounts;
    return { mdtrt_id => $mdtrt_id, rows => scalar @amounts, sum => yuan($cents) };
}

sub typed {
    my ($patient) = @_;
    my $admitted = call(service('inpatient'), 'Txn2401', head => head(), admission(@$patient));
    die encode('utf-8', $admitted->valueof('//err_msg')) . "\n" if $admitted->valueof('//infcode') ne '0';
    my $mdtrt_id = $admitted->valueof('//output/result/mdtrt_id');
    my $answer = call(service('inpatient'), 'Txn2301', head => head(), fees($patient, $mdtrt_id));
    die encode('utf-8', $answer->valueof('//err_msg')) . "\n" if $answer->valueof('//infcode') ne '0';
    return told($mdtrt_id, map { $_->{det_item_fee_sumamt} } $answer->valueof('//output/result'));
}

sub xml {
    my ($name, $value) = @_;
    if (ref $value) {
        my @pairs = @$value;
        my $inner = '';
        $inner .= xml(splice @pairs, 0, 2) while @pairs;
        return "<$name>$inner</$name>";
    }
    $value =~ s/&/&amp;/g;
    $value =~ s/</&lt;/g;
    return "<$name>$value</$name>";
}

my $stub;

sub exchange {
    my ($infno, @input) = @_;
    my $request = xml(request => [head => head(), input => \@input]);
    my $answer;
    if ($version eq '1.1' && !$gbk) {
        $stub //= SOAP::Lite->service("$base/soap/exchange?wsdl");
        $answer = $stub->Call($infno, $request);
    }
    else {
        $answer = call(service('exchange'), 'Call', infno => $infno, request => $request)->valueof('//CallResult');
    }
    die encode('utf-8', $answer) . "\n" unless $answer =~ m{<infcode>0</infcode>};
    return $answer;
}

sub in_text {
    my ($patient) = @_;
    my ($mdtrt_id) = exchange('2401', admission(@$patient)) =~ m{<mdtrt_id>([^<]+)</mdtrt_id>};
    return told($mdtrt_id, exchange('2301', fees($patient, $mdtrt_id)) =~ m{<det_item_fee_sumamt>([^<]+)<}g);
}

sub refusal {
    my ($patient) = @_;
    my ($mdtrtinfo, $visit, @diagnoses) = admission(@$patient);
    my @pairs = @$visit;
    my @kept;
    while (my ($name, $value) = splice @pairs, 0, 2) { push @kept, $name, $value if $name ne 'atddr_no' }
    my $reply = call(service('inpatient'), 'Txn2401', head => head(), $mdtrtinfo => \@kept, @diagnoses);
    return {
        (map { ($_ => $reply->valueof("//Txn2401Response/$_")) } qw(infcode code retry)),
        text => $reply->valueof('//Txn2401Response/err_msg'),
        fields => [map { $_->{field} } $reply->valueof('//Txn2401Response/problem')],
    };
}

sub fault {
    my ($service, $operation, @pairs) = @_;
    $service->on_fault(sub { return $_[1] });
    my $answer = $service->call(SOAP::Data->name($operation)->attr({ xmlns => $namespace }), elements(@pairs));
    die "no fault, but: $answer\n" unless ref $answer && $answer->fault;
    my $fault = $answer->fault;
    my $reason = $fault->{faultstring} // $fault->{Reason}{Text};
    return {
        faultcode => $fault->{faultcode} // $fault->{Code}{Value},
        text => $reason, detail => encode_json($fault->{detail} // $fault->{Detail} // {}),
    };
}

my ($first, $second) = ([@rest[0 .. 3]], [@rest[4 .. 7]]);
print encode_json({
    typed => typed($first), string => in_text($second), refusal => refusal($first),
    faults => {
        password => fault(service('exchange', 'demo:wrong'), 'Call', infno => '2401', request => '<request/>'),
        operation => fault(service('inpatient'), 'Txn0000'),
    },
}), "\n";
